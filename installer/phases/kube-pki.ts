import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { controlPlanes } from '../cluster/spec.ts';
import { makeDir, readText, updateFile } from '../node/files.ts';
import { KUBECONFIGS, kubeconfigPath, kubePkiWhole } from '../node/kube-pki-files.ts';
import { ADMIN_CONF, PKI_DIR, SHARED_PKI, kubeadmPhase } from '../node/kubeadm.ts';
import { KUBELET_CONF } from '../node/kubelet-files.ts';
import { removeTrees } from '../node/remove.ts';
import type { Phase } from '../plan/types.ts';

const sharedSchema = z.record(z.string(), z.string());

/**
 * Kubernetes' certificates. The first control plane makes the CAs, the others get them over the executors' own
 * encrypted connection.
 */
export const phase: Phase = {
  title: 'make the certificates of Kubernetes',

  async input({ spec, node, call }) {
    const [first] = controlPlanes(spec);
    return first === undefined || first.name === node.name ? {} : await call(first, 'read-kube-ca', {});
  },

  async isDone(_context, input) {
    const shared = sharedSchema.parse(input);
    return (
      kubePkiWhole() && Object.entries(shared).every(([name, content]) => readText(join(PKI_DIR, name)) === content)
    );
  },

  async do(context, input) {
    // Nothing uses them before the kubelet is set up: what a power cut has left half-written is made anew.
    if (!existsSync(KUBELET_CONF)) {
      rmSync(PKI_DIR, { recursive: true, force: true });
      for (const name of KUBECONFIGS) {
        rmSync(kubeconfigPath(name), { force: true });
      }
    }
    makeDir(PKI_DIR);
    for (const [name, content] of Object.entries(sharedSchema.parse(input))) {
      if (!SHARED_PKI.some((s) => s === name)) {
        continue;
      }
      updateFile(join(PKI_DIR, name), content, { mode: name.endsWith('.key') ? 0o600 : 0o644 });
    }
    await kubeadmPhase(context, ['certs', 'all']);
    for (const name of KUBECONFIGS) {
      await kubeadmPhase(context, ['kubeconfig', name]);
    }
  },

  async undo({ log }) {
    rmSync(ADMIN_CONF, { force: true });
    removeTrees(['/etc/kubernetes'], log);
  },
};
