import { existsSync } from 'node:fs';
import { addLearner, promote, promoted } from '../node/etcd.ts';
import { MANIFEST_DIR, kubeadmPhase } from '../node/kubeadm.ts';
import { containerCause } from '../node/static-pods.ts';
import { waitUntil } from '../node/wait.ts';
import type { Phase, PhaseContext } from '../plan/types.ts';
import { etcdReady } from './control-plane.ts';

/** A learner has no health of its own: the vote comes first. */
async function votes(context: PhaseContext): Promise<string | undefined> {
  const { spec, node } = context;
  try {
    await promote(spec, node);
  } catch (error) {
    return (await containerCause(spec, 'etcd')) ?? (error instanceof Error ? error.message : String(error));
  }
  return await etcdReady(context);
}

/**
 * Adds this node to etcd, as a learner first; one node at a time in the whole cluster. A member that a killed try has
 * added is used.
 */
export const phase: Phase = {
  title: 'join the replicated database',

  async isDone(context) {
    return (
      existsSync(`${MANIFEST_DIR}/etcd.yaml`) &&
      (await etcdReady(context)) === undefined &&
      (await promoted(context.spec, context.node))
    );
  },

  async do(context) {
    let initialCluster = '';
    const remedy = 'See the log of that machine, then run the same command again.';
    // After a power cut the others may be choosing a leader, and etcd takes no member before the last one has settled.
    await waitUntil(
      context,
      { for: 'the database of the other control planes', stalledMs: 2 * 60_000, everyMs: 1_000, remedy },
      async () => {
        try {
          initialCluster = await addLearner(context.spec, context.node, context.log);
          return undefined;
        } catch (error) {
          return error instanceof Error ? error.message : String(error);
        }
      },
    );
    await kubeadmPhase(context, ['etcd', 'local'], initialCluster);
    await waitUntil(context, { for: 'the database on this node', stalledMs: 5 * 60_000, remedy }, () => votes(context));
  },

  async undo() {
    // A member is removed by `node remove`; an uninstall of the whole cluster removes the data.
  },
};
