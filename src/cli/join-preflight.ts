import {
  hostTargets,
  parseClusterFile,
  type ClusterFile,
  type ClusterSpec,
  type NodeSpec,
} from '../../installer/cluster/spec.ts';
import { closeHosts, openHosts } from '../../installer/hosts/open.ts';
import type { Override } from '../../installer/preflight/override.ts';
import { runPreflight } from '../../installer/preflight/run.ts';
import type { Io } from './command.ts';
import { tellPreflight } from './preflight-outcome.ts';

/**
 * A cluster file that names the joining machine alone, with the cluster's own ports, folders and service range. What
 * the administrator has overridden for the cluster counts here, too.
 */
export function joiningFile(spec: ClusterSpec, node: NodeSpec, overrides: Override[]): ClusterFile {
  return parseClusterFile(
    {
      apiVersion: 'terrarium/v1',
      kind: 'Cluster',
      name: spec.name,
      hosts: [{ ...node, local: true }],
      ports: spec.ports,
      network: { serviceRange: spec.serviceRange },
      paths: { prefix: spec.prefix, data: spec.data },
      preflight: { overrides: [...overrides, ...spec.overrides] },
    },
    'the cluster',
  );
}

/** Checks this very machine before a join changes anything on it. @throws Failure `preflight-failed` (exit 3). */
export async function checkJoining(
  spec: ClusterSpec,
  node: NodeSpec,
  overrides: Override[],
  io: Io,
  json: boolean,
): Promise<void> {
  const file = joiningFile(spec, node, overrides);
  const targets = hostTargets(file, { user: 'root', port: 22, key: undefined }, 'machines');
  const hosts = await openHosts(targets, { env: io.env });
  try {
    tellPreflight(
      await runPreflight(hosts, targets, file, { operation: 'join', signal: io.signal }),
      'a join',
      io,
      json,
    );
  } finally {
    await closeHosts(hosts);
  }
}
