import { join } from 'node:path';
import { nodePaths } from '../cluster/paths.ts';
import type { ClusterSpec } from '../cluster/spec.ts';
import type { PhaseContext } from '../plan/types.ts';
import { bundledVersions } from './component-versions.ts';
import { writeFileDurably } from './files.ts';
import { flush } from './flush.ts';
import { kubeadmConfig, kubeadmPatchesDirectory } from './kubeadm-config.ts';
import { staticPodPatches } from './kubernetes/static-pod-patches.ts';
import { run } from './run.ts';
import { hostTraits } from './traits.ts';

export const ADMIN_CONF = '/etc/kubernetes/admin.conf';
export const PKI_DIR = '/etc/kubernetes/pki';
export const MANIFEST_DIR = '/etc/kubernetes/manifests';

/**
 * The CAs and the service-account key that all control planes share (kubeadm's certificates phase makes the rest from
 * them).
 */
export const SHARED_PKI = [
  'ca.crt',
  'ca.key',
  'sa.key',
  'sa.pub',
  'front-proxy-ca.crt',
  'front-proxy-ca.key',
  'etcd/ca.crt',
  'etcd/ca.key',
] as const;

export function kubeadmConfigPath(spec: Pick<ClusterSpec, 'data'>): string {
  return join(spec.data, 'kubeadm.yaml');
}

/**
 * Runs one of kubeadm's single phases: `kubeadmPhase(context, ['certs', 'all'])`. For `initialCluster` see
 * kubeadm-config.ts.
 */
export async function kubeadmPhase(context: PhaseContext, words: string[], initialCluster?: string): Promise<void> {
  const { spec, node } = context;
  const config = kubeadmConfigPath(spec);
  writeFileDurably(config, kubeadmConfig(spec, node, hostTraits(), bundledVersions(), initialCluster), { mode: 0o600 });
  for (const [name, patch] of Object.entries(staticPodPatches())) {
    writeFileDurably(join(kubeadmPatchesDirectory(spec), name), patch, { mode: 0o600 });
  }
  await run([`${nodePaths(spec).bin}/kubeadm`, 'init', 'phase', ...words, '--config', config], {
    signal: context.signal,
    log: context.log,
  });
  await flush('/etc/kubernetes', '/var/lib/kubelet', spec.data);
}

/** kubectl on the node, with the administrator's credentials. */
export function kubectl(spec: Pick<ClusterSpec, 'prefix' | 'data'>, ...args: string[]): [string, ...string[]] {
  return [
    `${nodePaths(spec).bin}/kubectl`,
    '--kubeconfig',
    ADMIN_CONF,
    '--cache-dir',
    `${spec.data}/kubectl-cache`,
    ...args,
  ];
}
