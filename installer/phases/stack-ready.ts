import { openAssets } from '../../src/assets.ts';
import { OWN_NAMESPACES, workloadNamespaces } from '../node/readiness.ts';
import { waitUntilReady } from '../node/ready-wait.ts';
import type { Phase } from '../plan/types.ts';

/** The last word of an install: all of its nodes, what it has deployed on them, and every console. */
export const phase: Phase = {
  title: 'wait until everything is ready',

  async isDone() {
    return false;
  },

  async do(context) {
    const assets = openAssets();
    const manifests = assets.entries().filter((e) => /^app\/[^/]+\/manifests\//.test(e.path));
    const applications = workloadNamespaces(manifests.map((m) => assets.read(m.path).toString('utf8')));
    await waitUntilReady(context, { nodes: context.spec.nodes, namespaces: [...OWN_NAMESPACES, ...applications], unscheduled: applications.length > 0 });
  },

  async undo() {
    // Nothing was changed.
  },
};
