import { openAssets } from '../../src/assets.ts';
import { kubeadmPhase, kubectl } from '../node/kubeadm.ts';
import { run } from '../node/run.ts';
import type { Phase } from '../plan/types.ts';

const BASE_MANIFEST = 'manifests/base.yaml';

/**
 * What the cluster must know about itself: kubeadm's configuration (upgrades read it) and the rights of nodes and
 * agents.
 */
export const phase: Phase = {
  title: 'store the configuration in the cluster',

  async isDone({ spec }) {
    const { exitCode } = await run(
      kubectl(spec, 'get', 'configmap/kubeadm-config', 'configmap/kubelet-config', '-n', 'kube-system'),
      { accept: [0, 1], timeoutMs: 20_000 },
    );
    return exitCode === 0;
  },

  async do(context) {
    await kubeadmPhase(context, ['upload-config', 'all']);
    await run(kubectl(context.spec, 'apply', '--server-side', '--force-conflicts', '-f', '-'), {
      input: openAssets().read(BASE_MANIFEST).toString('utf8'),
      log: context.log,
    });
  },

  async undo() {
    // It lives in etcd.
  },
};
