import { openAssets } from '../../src/assets.ts';
import { bundledApplications } from '../node/applications.ts';
import { OWN_NAMESPACES } from '../node/readiness.ts';
import { waitUntilReady } from '../node/ready-wait.ts';
import { watchedWorkloads, workloadNamespaces } from '../node/workloads.ts';
import type { Phase } from '../plan/types.ts';

/** The last word of an install: all of its nodes, what it has deployed on them, and every console. */
export const phase: Phase = {
  title: 'wait until everything is ready',

  async isDone() {
    return false;
  },

  async do(context) {
    const assets = openAssets();
    const manifests = bundledApplications(assets).flatMap((a) => a.manifests);
    const applications = workloadNamespaces(manifests);
    await waitUntilReady(context, {
      nodes: context.spec.nodes,
      namespaces: [...OWN_NAMESPACES, ...applications],
      unscheduled: applications.length > 0,
      workloads: watchedWorkloads(manifests),
    });
  },

  async undo() {
    // Nothing was changed.
  },
};
