import { createHash } from 'node:crypto';
import { controlPlanes, type ClusterSpec, type NodeSpec } from '../cluster/spec.ts';
import type { Plan, PlanNode } from '../plan/types.ts';
import { leaf, onEach, parallel, serial } from './tree.ts';

/** Only one node at a time changes etcd's membership. */
const ETCD = 'etcd-membership';

/**
 * The plan of an install. What needs no cluster (programs, runtime, images, agent) runs on all nodes at once; the first
 * control plane starts as soon as it is ready itself; the others wait for its API, then join side by side but for etcd.
 */
export function installPlan(spec: ClusterSpec): Plan {
  const [first, ...others] = controlPlanes(spec);
  if (first === undefined) throw new Error('a cluster needs a control plane');
  const workers = spec.nodes.filter((n) => n.role === 'worker');
  const root = serial(
    'install',
    `install ${spec.name}`,
    onEach('prepare', 'prepare the machines', spec.nodes, 'host-settings', 'release', 'runtime', 'images', 'agent'),
    serial('bootstrap', `bring up the cluster on ${first.name}`, leaf('bootstrap', first, 'kube-pki'), leaf('bootstrap', first, 'kubelet'), leaf('bootstrap', first, 'control-plane')),
    ...(others.length + workers.length === 0
      ? [serial('configure', 'configure the cluster', ...configureFirst(first))]
      : [parallel('join', 'join the other machines', serial('configure', 'configure the cluster', ...configureFirst(first)), ...others.map((n) => joinControlPlane(n)), ...workers.map((n) => joinWorker(n)))]),
    ...stack(spec, first),
  );
  return { id: operationId('install', spec), operation: 'install', spec, root };
}

function configureFirst(first: NodeSpec): PlanNode[] {
  return [leaf('configure', first, 'cluster-config'), leaf('configure', first, 'mark-control-plane')];
}

export function joinControlPlane(node: NodeSpec): PlanNode {
  return serial(
    `join/${node.name}`,
    node.name,
    leaf('join', node, 'authority'),
    leaf('join', node, 'kube-pki'),
    leaf('join', node, 'kubelet'),
    leaf('join', node, 'etcd-join', ETCD),
    leaf('join', node, 'control-plane'),
    leaf('join', node, 'mark-control-plane'),
  );
}

export function joinWorker(node: NodeSpec): PlanNode {
  return serial(`join/${node.name}`, node.name, leaf('join', node, 'kubelet'));
}

function stack(spec: ClusterSpec, first: NodeSpec): PlanNode[] {
  return [
    onEach('identities', 'make the identities of agents, cloud and satellites', spec.nodes, 'agent-credentials', 'stack-certs'),
    leaf('stack', first, 'stack'),
    leaf('stack', first, 'applications'),
    leaf('stack', first, 'stack-ready'),
  ];
}

/** The same cluster file gives the same operation, so that the same command finds it again after any crash. */
export function operationId(operation: Plan['operation'], spec: ClusterSpec): string {
  return `${operation}-${createHash('sha256').update(JSON.stringify([spec.id, spec.nodes])).digest('hex').slice(0, 8)}`;
}
