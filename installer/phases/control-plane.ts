import { existsSync } from 'node:fs';
import { controlPlanes } from '../cluster/spec.ts';
import { askHealth } from '../node/health.ts';
import { loopback } from '../node/kubeadm-config.ts';
import { MANIFEST_DIR, kubeadmPhase } from '../node/kubeadm.ts';
import { containerCause } from '../node/static-pods.ts';
import { restartUnit } from '../node/systemd.ts';
import { KUBELET_UNIT } from '../node/units.ts';
import { waitUntil } from '../node/wait.ts';
import type { Phase, PhaseContext } from '../plan/types.ts';

const MANIFESTS = ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler'].map(
  (n) => `${MANIFEST_DIR}/${n}.yaml`,
);

async function apiReady({ spec, node }: PhaseContext): Promise<string | undefined> {
  const cause = await askHealth('api', node.address, spec.ports.api, '/readyz');
  return cause === undefined ? undefined : ((await containerCause(spec, 'kube-apiserver')) ?? cause);
}

/**
 * The API server, controller manager and scheduler of this node; with etcd's first member where this is the first one.
 */
export const phase: Phase = {
  title: 'start the control plane',

  async isDone(context) {
    return (
      MANIFESTS.every((m) => existsSync(m)) &&
      (await askHealth('api', context.node.address, context.spec.ports.api, '/readyz')) === undefined
    );
  },

  async do(context) {
    const { spec, node } = context;
    const first = controlPlanes(spec)[0]?.name === node.name;
    if (first) {
      await kubeadmPhase(context, ['etcd', 'local']);
    }
    await kubeadmPhase(context, ['control-plane', 'all']);
    await waitUntil(
      context,
      {
        for: 'the API server of this node',
        stalledMs: 5 * 60_000,
        everyMs: 150,
        remedy: 'See the log of that machine, then run the same command again.',
      },
      () => apiReady(context),
    );
    if (first) {
      await showStaticPods();
    }
  },

  async undo() {
    // The manifests go with the kubelet's folder, the containers with the runtime.
  },
};

/**
 * Has the kubelet show its static pods to the API server again. It tries that when they change, and once when its node
 * is registered. On the first control plane both may come before the API server has the priority classes that it asks
 * of them; the next try would be a minute later (syncFrequency), and the cluster would seem to lack a part.
 */
async function showStaticPods(): Promise<void> {
  await restartUnit(KUBELET_UNIT);
}

/** For others that wait for the local etcd. */
export function etcdReady({ spec }: PhaseContext): Promise<string | undefined> {
  return askHealth('etcd', loopback(spec), spec.ports.etcdClient, '/health');
}
