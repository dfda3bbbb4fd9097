import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '../../src/errors.ts';
import { createKubeClient } from '../../src/kube/client.ts';
import { loadKubeconfig } from '../../src/kube/kubeconfig.ts';
import { CONTROL_PLANE_LABEL, type NodeObject, type PodObject } from '../../src/kube/types.ts';
import { watchCollection } from '../../src/kube/watch.ts';
import { controlPlanes, hostPort, type ClusterSpec } from '../cluster/spec.ts';
import { ADMIN_CONF } from '../node/kubeadm.ts';
import { consoleAnswers } from '../node/console.ts';
import type { Phase, PhaseContext } from '../plan/types.ts';

/** The wait ends in failure when nothing has changed for so long; a slow machine that progresses is no failure. */
const STALLED_MS = 5 * 60_000;

/** Pods that the node's own kubelet makes from files (its own control plane) and pods of DaemonSets, by what each node must have. */
function expectedOn(spec: ClusterSpec): { node: string; prefix: string }[] {
  return spec.nodes.flatMap((n) => [
    { node: n.name, prefix: 'satellite-' },
    ...(n.role === 'control-plane' ? ['cloud-', 'etcd-', 'kube-apiserver-', 'kube-controller-manager-', 'kube-scheduler-'].map((prefix) => ({ node: n.name, prefix })) : []),
  ]);
}

const ready = (conditions: { type: string; status: string }[] | undefined): boolean => conditions?.some((c) => c.type === 'Ready' && c.status === 'True') === true;

/** What is still missing, in one sentence; undefined where all is well. Pure. */
export function missing(spec: ClusterSpec, nodes: NodeObject[], pods: PodObject[]): string | undefined {
  for (const { name, role } of spec.nodes) {
    const node = nodes.find((n) => n.metadata.name === name);
    if (node === undefined) return `node ${name} has not registered`;
    if (!ready(node.status?.conditions)) return `node ${name} is not ready (${node.status?.conditions?.find((c) => c.type === 'Ready')?.message ?? 'no word from it yet'})`;
    if (role === 'control-plane' && node.metadata.labels?.[CONTROL_PLANE_LABEL] === undefined) return `node ${name} is not marked as control plane yet`;
  }
  for (const { node, prefix } of expectedOn(spec)) {
    if (!pods.some((p) => p.spec?.nodeName === node && p.metadata.name.startsWith(prefix))) return `${prefix.slice(0, -1)} has no pod on ${node} yet`;
  }
  const waiting = pods.find((p) => p.status?.phase !== 'Succeeded' && p.metadata.deletionTimestamp === undefined && !ready(p.status?.conditions));
  if (waiting === undefined) return undefined;
  const container = waiting.status?.containerStatuses?.find((c) => !c.ready);
  const why = container?.state?.waiting?.message ?? container?.state?.waiting?.reason ?? waiting.status?.conditions?.find((c) => c.status !== 'True')?.message ?? 'starting';
  return `${waiting.metadata.namespace ?? ''}/${waiting.metadata.name} is not ready: ${why}`;
}

async function watchUntilComplete(context: PhaseContext): Promise<void> {
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, context.signal]);
  const client = createKubeClient(loadKubeconfig(ADMIN_CONF));
  const nodes = new Map<string, NodeObject>();
  const pods = new Map<string, PodObject>();
  let lists = 0;
  let last = '';
  let since = Date.now();
  let finish: (error?: unknown) => void = () => undefined;
  const finished = new Promise<void>((resolve, reject) => {
    finish = (error) => (error === undefined ? resolve() : reject(error));
  });
  const judge = (unreachable?: string): void => {
    const cause = unreachable ?? (lists < 2 ? 'reading nodes and pods' : missing(context.spec, [...nodes.values()], [...pods.values()]));
    if (cause === undefined) finish();
    else if (cause !== last) {
      last = cause;
      since = Date.now();
      context.waiting('every pod to be ready', cause);
    }
  };
  const follow = <T extends NodeObject | PodObject>(path: string, into: Map<string, T>): Promise<void> =>
    watchCollection<T>(client, path, {
      replace: (items) => {
        into.clear();
        for (const item of items) into.set(item.metadata.uid ?? item.metadata.name, item);
        lists += 1;
        judge();
      },
      changed: (item) => {
        into.set(item.metadata.uid ?? item.metadata.name, item);
        judge();
      },
      removed: (item) => {
        into.delete(item.metadata.uid ?? item.metadata.name);
        judge();
      },
      reachable: (error) => {
        if (error !== undefined) judge(error.message);
      },
    }, signal);
  const watches = Promise.all([follow('/api/v1/nodes', nodes), follow('/api/v1/pods', pods)]);
  const stalled = setInterval(() => {
    if (Date.now() - since > STALLED_MS) finish(new Failure('not-ready', `The cluster does not become ready: ${last}.`, { remedy: 'Run `terrarium status` and see the logs of that machine, then run the same command again.' }));
  }, 5_000);
  context.signal.addEventListener('abort', () => finish(context.signal.reason), { once: true });
  try {
    await finished;
  } finally {
    clearInterval(stalled);
    stop.abort();
    await watches;
    client.close();
  }
}

/** The last word of an install: every pod ready on every node, and every console answers. */
export const phase: Phase = {
  title: 'wait until everything is ready',

  async isDone() {
    return false;
  },

  async do(context) {
    await watchUntilComplete(context);
    for (const node of controlPlanes(context.spec)) {
      for (let tries = 0; ; tries += 1) {
        const cause = await consoleAnswers(context.spec, node);
        if (cause === undefined) break;
        context.waiting(`the console of ${node.name}`, cause);
        if (tries > 600) throw new Failure('console-silent', `The console at https://${hostPort(node.address, context.spec.ports.console)} does not answer: ${cause}.`, { host: node.name, remedy: 'See `terrarium status`.' });
        await sleep(100, undefined, { signal: context.signal });
      }
    }
  },

  async undo() {
    // Nothing was changed.
  },
};
