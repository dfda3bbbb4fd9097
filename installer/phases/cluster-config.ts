import { readFileSync } from 'node:fs';
import { stringify } from 'yaml';
import { openAssets } from '../../src/assets.ts';
import type { ClusterSpec } from '../cluster/spec.ts';
import { apiUrl } from '../node/kubeadm-config.ts';
import { kubeadmPhase, kubectl, PKI_DIR } from '../node/kubeadm.ts';
import { run } from '../node/run.ts';
import type { Phase } from '../plan/types.ts';

const BASE_MANIFEST = 'manifests/base.yaml';

/** What the cluster must know about itself: kubeadm's configuration (upgrades read it) and the rights of nodes and agents. */
export const phase: Phase = {
  title: 'store the configuration in the cluster',

  async isDone({ spec }) {
    const { exitCode } = await run(kubectl(spec, 'get', 'configmap/kubeadm-config', 'configmap/kubelet-config', '-n', 'kube-system'), { accept: [0, 1], timeoutMs: 20_000 });
    if (exitCode !== 0) return false;
    return (await run(kubectl(spec, 'get', 'configmap/cluster-info', '-n', 'kube-public'), { accept: [0, 1], timeoutMs: 20_000 })).exitCode === 0;
  },

  async do(context) {
    await kubeadmPhase(context, 'init', 'upload-config', 'all');
    const manifests = `${openAssets().read(BASE_MANIFEST).toString('utf8')}\n---\n${clusterInfo(context.spec)}`;
    await run(kubectl(context.spec, 'apply', '--server-side', '--force-conflicts', '-f', '-'), { input: manifests, log: context.log });
  },

  async undo() {
    // It lives in etcd.
  },
};

/** kubeadm's joining phases ask for it by name (kubeadm/app/discovery/file): where the API is and by which CA it is known. */
function clusterInfo(spec: ClusterSpec): string {
  const ca = readFileSync(`${PKI_DIR}/ca.crt`).toString('base64');
  const kubeconfig = stringify({ apiVersion: 'v1', kind: 'Config', clusters: [{ name: '', cluster: { server: apiUrl(spec), 'certificate-authority-data': ca } }] });
  return JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'cluster-info', namespace: 'kube-public' }, data: { kubeconfig } });
}
