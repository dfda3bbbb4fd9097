import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { parse } from 'yaml';
import { readText } from './files.ts';
import { PKI_DIR } from './kubeadm.ts';

/**
 * What kubeadm's phases `certs all` and `kubeconfig` make on a control plane
 * (cmd/kubeadm/app/phases/certs/certlist.go).
 */
const PAIRS = [
  'ca',
  'apiserver',
  'apiserver-kubelet-client',
  'front-proxy-ca',
  'front-proxy-client',
  'etcd/ca',
  'etcd/server',
  'etcd/peer',
  'etcd/healthcheck-client',
  'apiserver-etcd-client',
];
export const KUBECONFIGS = ['admin', 'super-admin', 'controller-manager', 'scheduler'] as const;

export const kubeconfigPath = (name: string): string => `/etc/kubernetes/${name}.conf`;

/** False also where `read` throws: what a power cut has left of a file is no certificate. */
function reads(read: () => unknown): boolean {
  try {
    return read() !== null;
  } catch {
    return false;
  }
}

/** Whether all of it is here and whole: kubeadm takes a file that exists for one that it need not make. */
export function kubePkiWhole(pki: string = PKI_DIR, kubeconfig: (name: string) => string = kubeconfigPath): boolean {
  const text = (name: string): string => readText(join(pki, name)) ?? '';
  return (
    PAIRS.every(
      (p) => reads(() => new X509Certificate(text(`${p}.crt`))) && reads(() => createPrivateKey(text(`${p}.key`))),
    ) &&
    reads(() => createPrivateKey(text('sa.key'))) &&
    reads(() => createPublicKey(text('sa.pub'))) &&
    KUBECONFIGS.every((name) => reads(() => parse(readText(kubeconfig(name)) ?? '') as unknown))
  );
}
