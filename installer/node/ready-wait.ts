import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '../../src/errors.ts';
import { hostPort } from '../../src/host-port.ts';
import { createKubeClient } from '../../src/kube/client.ts';
import { loadKubeconfig } from '../../src/kube/kubeconfig.ts';
import type { NodeObject, PodObject } from '../../src/kube/types.ts';
import { watchCollection, type WatchHandlers } from '../../src/kube/watch.ts';
import { controlPlanes } from '../cluster/spec.ts';
import type { PhaseContext } from '../plan/types.ts';
import { consoleAnswers } from './console.ts';
import { ADMIN_CONF } from './kubeadm.ts';
import { missing, type Scope } from './readiness.ts';
import { WATCHED, type WorkloadObject } from './workloads.ts';

/** The wait ends in failure when nothing has changed for so long; a slow machine that progresses is no failure. */
const STALLED_MS = 5 * 60_000;

/**
 * Watches nodes and pods from this control plane until all that `scope` names is ready and the consoles there answer.
 * @throws Failure `not-ready`, `console-silent`.
 */
export async function waitUntilReady(context: PhaseContext, scope: Scope): Promise<void> {
  await watchUntilComplete(context, scope);
  for (const node of controlPlanes(scope)) {
    for (let tries = 0; ; tries += 1) {
      const cause = await consoleAnswers(context.spec, node);
      if (cause === undefined) {
        break;
      }
      context.waiting(`the console of ${node.name}`, cause);
      if (tries > 600) {
        throw new Failure(
          'console-silent',
          `The console at https://${hostPort(node.address, context.spec.ports.console)} does not answer: ${cause}.`,
          { host: node.name, remedy: 'See `terrarium status`.' },
        );
      }
      await sleep(100, undefined, { signal: context.signal });
    }
  }
}

type Watched = NodeObject | PodObject | WorkloadObject;

/** Keeps `into` equal to a watched collection, and has each change judged. */
function mirror<T extends Watched>(
  into: Map<string, T>,
  onRead: () => void,
  judge: (unreachable?: string) => void,
): WatchHandlers<T> {
  const keyOf = (item: T): string => item.metadata.uid ?? item.metadata.name;
  return {
    replace: (items) => {
      into.clear();
      for (const item of items) {
        into.set(keyOf(item), item);
      }
      onRead();
      judge();
    },
    changed: (item) => {
      into.set(keyOf(item), item);
      judge();
    },
    removed: (item) => {
      into.delete(keyOf(item));
      judge();
    },
    reachable: (error) => {
      if (error !== undefined) {
        judge(error.message);
      }
    },
  };
}

async function watchUntilComplete(context: PhaseContext, scope: Scope): Promise<void> {
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, context.signal]);
  const client = createKubeClient(loadKubeconfig(ADMIN_CONF));
  const nodes = new Map<string, NodeObject>();
  const pods = new Map<string, PodObject>();
  const kinds = [...new Set(scope.workloads.map((w) => w.kind))].map((kind) => ({
    kind,
    objects: new Map<string, WorkloadObject>(),
  }));
  const read = new Set<string>();
  let last = '';
  let since = Date.now();
  let finish: (error?: unknown) => void = () => undefined;
  const finished = new Promise<void>((resolve, reject) => {
    finish = (error) => (error === undefined ? resolve() : reject(error));
  });
  const missingNow = (): string | undefined => {
    if (read.size < 2 + kinds.length) {
      return 'reading nodes and pods';
    }
    const workloads = kinds.flatMap(({ kind, objects }) => [...objects.values()].map((object) => ({ kind, object })));
    return missing(scope, [...nodes.values()], [...pods.values()], workloads);
  };
  const judge = (unreachable?: string): void => {
    const cause = unreachable ?? missingNow();
    if (cause === undefined) {
      finish();
    } else if (cause !== last) {
      last = cause;
      since = Date.now();
      context.waiting('every pod to be ready', cause);
    }
  };
  const follow = <T extends Watched>(path: string, into: Map<string, T>): Promise<void> =>
    watchCollection<T>(
      client,
      path,
      mirror(into, () => read.add(path), judge),
      signal,
    );
  const watches = Promise.all([
    follow('/api/v1/nodes', nodes),
    follow('/api/v1/pods', pods),
    ...kinds.map(({ kind, objects }) => follow(WATCHED[kind], objects)),
  ]);
  const stalled = setInterval(() => {
    if (Date.now() - since > STALLED_MS) {
      finish(
        new Failure('not-ready', `The cluster does not become ready: ${last}.`, {
          remedy: 'Run `terrarium status` and see the logs of that machine, then run the same command again.',
        }),
      );
    }
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
