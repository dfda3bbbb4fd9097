import { openAssets } from '../../src/assets.ts';
import { kubectl } from '../node/kubeadm.ts';
import { run } from '../node/run.ts';
import type { Phase } from '../plan/types.ts';

/** The vendor's applications, where the bundle carries any (`app/NAME/manifests/*.yaml`). */
export const phase: Phase = {
  title: 'deploy the applications of the bundle',

  async isDone() {
    return applicationManifests().length === 0;
  },

  async do({ spec, log }) {
    for (const path of applicationManifests()) {
      await run(kubectl(spec, 'apply', '--server-side', '--force-conflicts', '-f', '-'), { input: openAssets().read(path).toString('utf8'), log });
    }
  },

  async undo() {
    // It lives in etcd and in the runtime.
  },
};

export function applicationManifests(): string[] {
  return openAssets().entries().map((e) => e.path).filter((p) => /^app\/[^/]+\/manifests\/[^/]+\.ya?ml$/.test(p)).sort();
}
