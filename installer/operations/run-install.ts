import { randomUUID } from 'node:crypto';
import { isIPv6 } from 'node:net';
import { z } from 'zod';
import { EXIT, Failure } from '../../src/errors.ts';
import {
  clusterPorts,
  controlPlanes,
  DEFAULT_DATA,
  DEFAULT_PREFIX,
  defaultServiceRange,
  type ClusterFile,
  type ClusterSpec,
  type HostTarget,
  type NodeSpec,
} from '../cluster/spec.ts';
import type { Host } from '../hosts/host.ts';
import type { ConsoleTls } from '../node/console-tls.ts';
import { installResultSchema, type InstallResult } from '../node/result.ts';
import type { PlanEvent } from '../plan/types.ts';
import { COORDINATOR_UNIT, isAlive, unitState } from '../plan/units.ts';
import { ask } from './ask.ts';
import { followOperation } from './follow.ts';
import { installPlan, operationId } from './install.ts';

export interface InstallHosts {
  hosts: Host[];
  /** The staged executable on each host. */
  staged: Map<Host, string>;
  consoleTls?: ConsoleTls | undefined;
}

export interface InstallOutcome {
  spec: ClusterSpec;
  result: InstallResult;
}

/** Which machine the operation is coordinated on: the first control plane. */
function coordinatorOf(spec: ClusterSpec, byNode: Map<string, Host>): { node: NodeSpec; host: Host } {
  const node = controlPlanes(spec)[0];
  const host = node === undefined ? undefined : byNode.get(node.name);
  if (node === undefined || host === undefined) {
    throw new Error('no control plane');
  }
  return { node, host };
}

/** The identity that a host already has, and its name. */
async function identify(
  host: Host,
  data: string,
): Promise<{ hostname: string; clusterId: string | undefined; cluster: string | undefined; name: string | undefined }> {
  const named = await host.run(['uname', '-n']);
  const identity = await host.run(['cat', `${data}/node.json`]);
  const parsed =
    identity.exitCode === 0
      ? z
          .object({ clusterId: z.string(), cluster: z.string(), name: z.string() })
          .safeParse(JSON.parse(identity.stdout))
      : undefined;
  return {
    hostname: named.stdout.trim().toLowerCase(),
    clusterId: parsed?.data?.clusterId,
    cluster: parsed?.data?.cluster,
    name: parsed?.data?.name,
  };
}

/**
 * The cluster as its nodes will know it. A cluster id that a host has from an earlier try is taken up again, so that
 * the same command continues what was begun.
 * @throws Failure `duplicate-hostname`, `other-cluster`, `bad-cluster-file`.
 */
export async function clusterSpec(file: ClusterFile, targets: HostTarget[], hosts: Host[]): Promise<ClusterSpec> {
  const data = file.paths?.data ?? DEFAULT_DATA;
  const known = await Promise.all(hosts.map((h) => identify(h, data)));
  const nodes = targets.map((t, i): NodeSpec => ({
    name: t.name ?? known[i]?.hostname ?? t.address,
    address: t.address,
    role: t.role,
  }));
  for (const [i, node] of nodes.entries()) {
    const twin = nodes.findIndex((n, j) => j < i && n.name === node.name);
    if (twin !== -1) {
      throw new Failure(
        'duplicate-hostname',
        `${nodes[twin]?.address ?? ''} and ${node.address} are both called ${node.name}.`,
        {
          remedy: 'Give one of them another host name (`hostnamectl set-hostname`), or set `name:` in cluster.yaml.',
          exitCode: EXIT.usage,
        },
      );
    }
  }
  const ids = new Set(known.map((k) => k.clusterId).filter((id) => id !== undefined));
  if (ids.size > 1) {
    const owners = known.flatMap((k, i) =>
      k.clusterId === undefined ? [] : [`${nodes[i]?.name ?? ''}: ${k.cluster ?? ''} (${k.clusterId})`],
    );
    throw new Failure('other-cluster', `These machines belong to different clusters: ${owners.join(', ')}.`, {
      remedy: 'Run `terrarium uninstall` on those that are to be taken over.',
      exitCode: EXIT.usage,
    });
  }
  const family = nodes.some((n) => isIPv6(n.address)) ? 6 : 4;
  return {
    id: [...ids][0] ?? randomUUID(),
    name: file.name,
    nodes,
    family,
    serviceRange: file.network?.serviceRange ?? defaultServiceRange(family),
    ports: clusterPorts(file),
    prefix: file.paths?.prefix ?? DEFAULT_PREFIX,
    data,
    consoleName: file.console?.name,
    ...(file.dns?.zone === undefined ? {} : { zone: file.dns.zone }),
    overrides: file.preflight?.overrides ?? [],
  };
}

/**
 * Whether the machines are carrying out this install already: the command that began it was interrupted, the work goes
 * on.
 */
export async function isUnderWay(hosts: Host[], spec: ClusterSpec): Promise<boolean> {
  const { host } = coordinatorOf(spec, hostsByNode(hosts, spec));
  const state = await unitState(COORDINATOR_UNIT, (argv) => host.run(argv));
  return isAlive(state) && state.operation === operationId('install', spec);
}

function hostsByNode(hosts: Host[], spec: ClusterSpec): Map<string, Host> {
  return new Map(spec.nodes.map((n, i): [string, Host] => [n.name, hosts[i] as Host]));
}

/**
 * Hands an install to the nodes and follows it to its end.
 * @throws Failure with host, cause and remedy where it fails; the same call continues it.
 */
export async function install(
  { hosts, staged, consoleTls }: InstallHosts,
  spec: ClusterSpec,
  signal: AbortSignal,
  show: (event: PlanEvent) => void,
): Promise<InstallOutcome> {
  const byNode = hostsByNode(hosts, spec);
  const program = (host: Host): string => staged.get(host) ?? '';
  const { host: coordinator } = coordinatorOf(spec, byNode);
  const plan = installPlan(spec);
  const requests: Record<string, string> = {};
  await Promise.all(
    spec.nodes.map(async (node) => {
      const host = byNode.get(node.name) as Host;
      requests[node.name] = (
        await ask(host, program(host), 'request', z.object({ csr: z.string() }), { spec, node }, signal)
      ).csr;
    }),
  );
  const granted = await ask(
    coordinator,
    program(coordinator),
    'grant',
    z.object({ ca: z.string(), certs: z.record(z.string(), z.string()) }),
    { spec, requests },
    signal,
  );
  await Promise.all(
    spec.nodes.map(async (node) => {
      const host = byNode.get(node.name) as Host;
      await ask(
        host,
        program(host),
        'start',
        z.unknown(),
        { spec, node, operation: plan.id, cert: granted.certs[node.name], ca: granted.ca, consoleTls },
        signal,
      );
    }),
  );
  await ask(coordinator, program(coordinator), 'coordinate', z.unknown(), plan, signal);
  await followOperation(coordinator, program(coordinator), plan.id, spec.data, signal, show);
  const result = await takeResult(coordinator, program(coordinator), spec);
  return { spec, result };
}

async function takeResult(host: Host, program: string, spec: ClusterSpec): Promise<InstallResult> {
  const { stdout, stderr, exitCode } = await host.run([program, 'node', 'result', '--data', spec.data]);
  if (exitCode !== 0) {
    throw new Failure('no-result', `${host.name}: the credentials of the cluster cannot be read: ${stderr.trim()}`, {
      host: host.name,
      remedy: 'Run the same command again.',
    });
  }
  return installResultSchema.parse(JSON.parse(stdout));
}

/** Tells the first control plane that the password has been shown. */
export async function confirmResult(host: Host, program: string, spec: ClusterSpec): Promise<void> {
  await host.run([program, 'node', 'result', '--data', spec.data, '--taken']);
}
