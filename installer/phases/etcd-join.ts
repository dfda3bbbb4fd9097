import { existsSync } from 'node:fs';
import { MANIFEST_DIR, kubeadmPhase } from '../node/kubeadm.ts';
import { waitUntil } from '../node/wait.ts';
import { etcdReady } from './control-plane.ts';
import type { Phase } from '../plan/types.ts';
import { promoted } from '../node/etcd.ts';

/** Adds this node to etcd, as a learner first; one node at a time in the whole cluster. kubeadm reuses a member that a killed try has added. */
export const phase: Phase = {
  title: 'join the replicated database',

  async isDone(context) {
    return existsSync(`${MANIFEST_DIR}/etcd.yaml`) && (await etcdReady(context)) === undefined && (await promoted(context.spec, context.node));
  },

  async do(context) {
    await kubeadmPhase(context, 'join', 'etcd-join');
    await waitUntil(context, { for: 'the database on this node', stalledMs: 5 * 60_000, remedy: 'See the log of that machine, then run the same command again.' }, () => etcdReady(context));
  },

  async undo() {
    // A member is removed by `node remove`; an uninstall of the whole cluster removes the data.
  },
};
