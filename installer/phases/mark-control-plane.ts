import { kubeadmPhase, kubectl } from '../node/kubeadm.ts';
import { run } from '../node/run.ts';
import type { Phase } from '../plan/types.ts';

/** The label by which everything finds the control planes. */
export const phase: Phase = {
  title: 'mark as control plane',

  async isDone({ spec, node }) {
    const { exitCode, stdout } = await run(
      kubectl(spec, 'get', 'node', node.name, '-o', 'jsonpath={.metadata.labels}'),
      { accept: [0, 1], timeoutMs: 20_000 },
    );
    return exitCode === 0 && stdout.includes('node-role.kubernetes.io/control-plane');
  },

  async do(context) {
    await kubeadmPhase(context, ['mark-control-plane']);
  },

  async undo() {
    // The node object goes with the cluster.
  },
};
