import { existsSync, rmSync } from 'node:fs';
import { stringify } from 'yaml';
import { z } from 'zod';
import { hostPort } from '../../src/host-port.ts';
import { nodePaths } from '../cluster/paths.ts';
import { controlPlanes } from '../cluster/spec.ts';
import { stopContainers } from '../node/containers.ts';
import { writeFileDurably, readText, makeDir } from '../node/files.ts';
import { flush } from '../node/flush.ts';
import { apiUrl, loopback } from '../node/kubeadm-config.ts';
import { kubeadmPhase } from '../node/kubeadm.ts';
import { KUBELET_CLIENT, KUBELET_CONF, KUBELET_KEY } from '../node/kubelet-files.ts';
import { removeTrees } from '../node/remove.ts';
import { enableAndStart, installUnit, lastWords, removeUnit, unitActive } from '../node/systemd.ts';
import { KUBELET_UNIT, kubeletUnit } from '../node/units.ts';
import { waitUntil } from '../node/wait.ts';
import type { Phase, PhaseContext } from '../plan/types.ts';

const inputSchema = z.object({ cert: z.string(), ca: z.string() });

async function healthy({ spec }: PhaseContext): Promise<string | undefined> {
  try {
    const answer = await fetch(`http://${hostPort(loopback(spec), spec.ports.kubeletHealth)}/healthz`, {
      signal: AbortSignal.timeout(2000),
    });
    return answer.ok ? undefined : `it answers ${answer.status}`;
  } catch {
    return `it does not answer yet (${await lastWords(KUBELET_UNIT)})`;
  }
}

/**
 * The kubelet, with a certificate signed over the executors' connection instead of a bootstrap token: a repeated join
 * needs nothing that could have expired, and every kubelet, also a control plane's, finds the API by way of the
 * balancer.
 */
export const phase: Phase = {
  title: 'start the kubelet',

  async input({ spec, node, call }) {
    const [first] = controlPlanes(spec);
    if (first === undefined) {
      return {};
    }
    const { csr } = z.object({ csr: z.string() }).parse(await call(node, 'kubelet-request', {}));
    return await call(first, 'kubelet-sign', { csr, user: `system:node:${node.name}`, group: 'system:nodes' });
  },

  async isDone(context) {
    return existsSync(KUBELET_CONF) && (await unitActive(KUBELET_UNIT)) && (await healthy(context)) === undefined;
  },

  async do(context, input) {
    const { spec, node } = context;
    const { cert, ca } = inputSchema.parse(input);
    if (!existsSync(KUBELET_CLIENT)) {
      writeFileDurably(KUBELET_CLIENT, `${cert}${readText(KUBELET_KEY) ?? ''}`, { mode: 0o600 });
    }
    if (node.role === 'worker') {
      writeFileDurably('/etc/kubernetes/pki/ca.crt', ca);
    }
    makeDir('/etc/kubernetes/manifests');
    writeFileDurably(KUBELET_CONF, kubeconfig(apiUrl(spec), ca, spec.name), { mode: 0o600 });
    await installUnit(KUBELET_UNIT, kubeletUnit(nodePaths(spec)));
    await kubeadmPhase(context, ['kubelet-start']);
    await enableAndStart(KUBELET_UNIT);
    await waitUntil(
      context,
      {
        for: 'the kubelet to answer',
        stalledMs: 120_000,
        remedy: 'See `journalctl -u kubelet` on that machine, then run the same command again.',
      },
      () => healthy(context),
    );
    await flush('/var/lib/kubelet');
  },

  async undo({ spec, log }) {
    await removeUnit(KUBELET_UNIT);
    rmSync('/etc/kubernetes/manifests', { recursive: true, force: true });
    await stopContainers(nodePaths(spec), log);
    removeTrees(['/var/lib/kubelet', '/var/log/pods', '/var/log/containers', '/usr/libexec/kubernetes'], log);
  },
};

function kubeconfig(server: string, ca: string, cluster: string): string {
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      { name: cluster, cluster: { server, 'certificate-authority-data': Buffer.from(ca).toString('base64') } },
    ],
    users: [{ name: 'kubelet', user: { 'client-certificate': KUBELET_CLIENT, 'client-key': KUBELET_CLIENT } }],
    contexts: [{ name: 'kubelet', context: { cluster, user: 'kubelet' } }],
    'current-context': 'kubelet',
  });
}
