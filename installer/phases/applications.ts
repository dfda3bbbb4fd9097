import { openAssets } from '../../src/assets.ts';
import { bundledApplications, deployApplication, isDeployed } from '../node/applications.ts';
import type { Phase } from '../plan/types.ts';

/** The vendor's applications, where the bundle carries any, and the list of their addresses. */
export const phase: Phase = {
  title: 'deploy the applications of the bundle',

  async isDone(context) {
    for (const application of bundledApplications(openAssets())) {
      if (!(await isDeployed(context.spec, application))) {
        return false;
      }
    }
    return true;
  },

  async do(context) {
    for (const application of bundledApplications(openAssets())) {
      await deployApplication(context, application);
    }
  },

  async undo() {
    // It lives in etcd and in the runtime.
  },
};
