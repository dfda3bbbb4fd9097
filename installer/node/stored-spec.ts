import type { ClusterSpec } from '../cluster/spec.ts';
import { specSchema } from '../plan/schema.ts';
import { kubectl } from './kubeadm.ts';
import { run } from './run.ts';
import { SPEC_KEY, SYSTEM_NAMESPACE } from './stack-manifests.ts';

/**
 * An operation's cluster with the nodes that joined since its file was written: those that the cluster has stored and
 * Kubernetes knows.
 */
export function withJoinedNodes(spec: ClusterSpec, stored: ClusterSpec | undefined, registered: string[]): ClusterSpec {
  if (stored?.id !== spec.id) {
    return spec;
  }
  const joined = stored.nodes.filter((s) => registered.includes(s.name) && !spec.nodes.some((n) => n.name === s.name));
  return joined.length === 0 ? spec : { ...spec, nodes: [...spec.nodes, ...joined] };
}

/** What has to be stored for an operation, asked of the API: see withJoinedNodes. */
export async function specToStore(spec: ClusterSpec): Promise<ClusterSpec> {
  const map = await run(
    kubectl(
      spec,
      'get',
      'configmap',
      'cluster',
      '-n',
      SYSTEM_NAMESPACE,
      '--ignore-not-found',
      '-o',
      `jsonpath={.data.${SPEC_KEY.replaceAll('.', '\\.')}}`,
    ),
    { timeoutMs: 60_000 },
  );
  if (map.stdout.trim() === '') {
    return spec;
  }
  const stored = specSchema.safeParse(JSON.parse(map.stdout));
  if (!stored.success) {
    return spec;
  }
  const nodes = await run(kubectl(spec, 'get', 'nodes', '-o', 'jsonpath={.items[*].metadata.name}'), {
    timeoutMs: 60_000,
  });
  return withJoinedNodes(spec, stored.data, nodes.stdout.split(' '));
}
