import { CONTROL_PLANE_LABEL, type NodeObject, type PodObject } from '../../src/kube/types.ts';
import type { NodeSpec } from '../cluster/spec.ts';
import { SYSTEM_NAMESPACE } from './stack-manifests.ts';
import { lacks, type WatchedKind, type Workload, type WorkloadObject } from './workloads.ts';

/**
 * What has to be ready: these nodes, and on them the pods of these namespaces; whatever else the cluster has is its
 * users' business.
 */
export interface Scope {
  nodes: NodeSpec[];
  namespaces: string[];
  /** Pods without a node yet count too: applications, which no particular node must run. */
  unscheduled: boolean;
  /** Of these every pod that they want must be there: one that has just been applied has none yet. */
  workloads: Workload[];
}

/** Namespaces of what an operation itself brings up. */
export const OWN_NAMESPACES = ['kube-system', SYSTEM_NAMESPACE];

/**
 * Pods that the node's own kubelet makes from files (its own control plane) and pods of DaemonSets, by what each node
 * must have.
 */
function expectedOn(nodes: NodeSpec[]): { node: string; prefix: string }[] {
  return nodes.flatMap((n) => [
    { node: n.name, prefix: 'satellite-' },
    ...(n.role === 'control-plane'
      ? ['cloud-', 'etcd-', 'kube-apiserver-', 'kube-controller-manager-', 'kube-scheduler-'].map((prefix) => ({
          node: n.name,
          prefix,
        }))
      : []),
  ]);
}

const ready = (conditions: { type: string; status: string }[] | undefined): boolean =>
  conditions?.some((c) => c.type === 'Ready' && c.status === 'True') === true;

function counts(scope: Scope, pod: PodObject): boolean {
  // A pod that has ended (also by eviction) never becomes ready; whoever made it has made another.
  if (['Succeeded', 'Failed'].includes(pod.status?.phase ?? '') || pod.metadata.deletionTimestamp !== undefined) {
    return false;
  }
  if (!scope.namespaces.includes(pod.metadata.namespace ?? '')) {
    return false;
  }
  const node = pod.spec?.nodeName;
  return node === undefined ? scope.unscheduled : scope.nodes.some((n) => n.name === node);
}

/** What is still missing, in one sentence; undefined where all is well. */
export function missing(
  scope: Scope,
  nodes: NodeObject[],
  pods: PodObject[],
  workloads: { kind: WatchedKind; object: WorkloadObject }[],
): string | undefined {
  for (const { name, role } of scope.nodes) {
    const node = nodes.find((n) => n.metadata.name === name);
    if (node === undefined) {
      return `node ${name} has not registered`;
    }
    if (!ready(node.status?.conditions)) {
      return (
        `node ${name} is not ready ` +
        `(${node.status?.conditions?.find((c) => c.type === 'Ready')?.message ?? 'no word from it yet'})`
      );
    }
    if (role === 'control-plane' && node.metadata.labels?.[CONTROL_PLANE_LABEL] === undefined) {
      return `node ${name} is not marked as control plane yet`;
    }
  }
  const own = pods.filter((p) => counts(scope, p));
  for (const { node, prefix } of expectedOn(scope.nodes)) {
    if (
      !own.some(
        (p) =>
          p.spec?.nodeName === node &&
          OWN_NAMESPACES.includes(p.metadata.namespace ?? '') &&
          p.metadata.name.startsWith(prefix),
      )
    ) {
      return `${prefix.slice(0, -1)} has no pod on ${node} yet`;
    }
  }
  const waiting = own.find((p) => !ready(p.status?.conditions));
  if (waiting === undefined) {
    const of = (w: Workload): WorkloadObject | undefined =>
      workloads.find(
        ({ kind, object: { metadata } }) =>
          kind === w.kind && metadata.namespace === w.namespace && metadata.name === w.name,
      )?.object;
    return scope.workloads.map((w) => lacks(w, scope.nodes.length, of(w))).find((l) => l !== undefined);
  }
  const container = waiting.status?.containerStatuses?.find((c) => !c.ready);
  const why =
    container?.state?.waiting?.message ??
    container?.state?.waiting?.reason ??
    waiting.status?.conditions?.find((c) => c.status !== 'True')?.message ??
    'starting';
  return `${waiting.metadata.namespace ?? ''}/${waiting.metadata.name} is not ready: ${why}`;
}
