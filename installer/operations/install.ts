import { createHash } from 'node:crypto';
import { controlPlanes, type ClusterSpec, type NodeSpec } from '../cluster/spec.ts';
import type { Plan, PlanNode } from '../plan/types.ts';
import { leaf, onEach, parallel, serial } from './tree.ts';

/** Only one node at a time changes etcd's membership. */
const ETCD = 'etcd-membership';

/**
 * The plan of an install. What needs no cluster (programs, runtime, images, agent) runs on all nodes at once; the first
 * control plane starts as soon as it is ready itself; the others wait for its API, then join side by side but for etcd,
 * while cloud and satellites are deployed.
 */
export function installPlan(spec: ClusterSpec): Plan {
  const [first, ...others] = controlPlanes(spec);
  if (first === undefined) {
    throw new Error('a cluster needs a control plane');
  }
  const workers = spec.nodes.filter((n) => n.role === 'worker');
  const root = serial(
    'install',
    `install ${spec.name}`,
    onEach('prepare', 'prepare the machines', spec.nodes, 'host-settings', 'release', 'runtime', 'images', 'agent'),
    leaf('bootstrap', first, 'kube-pki'),
    parallel(
      'nodes',
      'start the nodes',
      serial(
        'bootstrap',
        `bring up the cluster on ${first.name}`,
        ...['kubelet', 'control-plane', 'cluster-config', 'mark-control-plane'].map((p) => leaf('bootstrap', first, p)),
      ),
      ...others.map((n) => serial(`nodes/${n.name}`, n.name, ...NODE_OF_CONTROL_PLANE.map((p) => leaf('nodes', n, p)))),
      ...workers.map((n) => serial(`nodes/${n.name}`, n.name, leaf('nodes', n, 'kubelet'))),
      ...identities(spec.nodes),
    ),
    // Cloud and satellites start on a node as soon as it is there.
    parallel(
      'roll-out',
      'join the other control planes, deploy',
      ...others.map((n) => joinControlPlane(n)),
      serial('deploy', 'deploy cloud, satellites and applications', ...stack(first)),
    ),
    leaf('stack', first, 'stack-ready'),
    onEach('complete', 'note that everything is complete', spec.nodes, 'complete'),
  );
  return { id: operationId('install', spec), operation: 'install', spec, root };
}

/** What a further control plane can do before there is an API to ask. */
export const NODE_OF_CONTROL_PLANE = ['authority', 'kube-pki', 'kubelet'];

export function joinControlPlane(node: NodeSpec): PlanNode {
  return serial(
    `join/${node.name}`,
    node.name,
    leaf('join', node, 'etcd-join', ETCD),
    leaf('join', node, 'control-plane'),
    leaf('join', node, 'mark-control-plane'),
  );
}

/** Identities of agent, cloud and satellite: signed by the first control plane's executor, no API needed. */
export function identities(nodes: NodeSpec[]): PlanNode[] {
  return nodes.map((n) =>
    serial(
      `identities/${n.name}`,
      `identities of ${n.name}`,
      leaf('identities', n, 'agent-credentials'),
      leaf('identities', n, 'stack-certs'),
    ),
  );
}

/** What is deployed at the end, from the node that coordinates. */
export function stack(node: NodeSpec): PlanNode[] {
  return [leaf('stack', node, 'stack'), leaf('stack', node, 'applications')];
}

/** The same cluster file gives the same operation, so that the same command finds it again after any crash. */
export function operationId(operation: Plan['operation'], spec: Pick<ClusterSpec, 'id' | 'nodes'>): string {
  return `${operation}-${createHash('sha256')
    .update(JSON.stringify([spec.id, spec.nodes]))
    .digest('hex')
    .slice(0, 8)}`;
}
