import { isReady, kubeList, type Pod } from '../../e2e/support/cluster.ts';
import { bootLab, type Lab } from '../../e2e/support/lab.ts';
import { seconds, table, type Measurement } from '../measurement.ts';
import { phaseTimes, type PhaseTime } from '../phases.ts';
import { prepareReference, runReference } from '../reference/kubeadm.ts';

const NODES = 3;
/** What is promised for three nodes on two processors, ms. */
const PROMISED = 120_000;

/** The command itself, which does not end before every pod is Ready and every console answers. */
async function timeInstall(lab: Lab): Promise<{ ms: number; phases: PhaseTime[] }> {
  const began = Date.now();
  const installed = await lab.admin(['install', '-f', lab.clusterFile, '--json']);
  if (installed.exitCode !== 0) {
    throw new Error(`install: exit ${installed.exitCode}: ${installed.stderr.trim()}`);
  }
  // That the command waited for all of it is seen by asking at once.
  const pods = await kubeList<Pod>(lab, 'pods', '-A');
  const late = pods.filter((p) => !isReady(p)).map((p) => p.metadata.name);
  if (late.length > 0 || pods.length < NODES * 4) {
    throw new Error(`the install ended with ${pods.length} pods, not ready: ${late.join(', ')}`);
  }
  return { ms: installed.ms, phases: phaseTimes(installed.stdout, began) };
}

export const measurement: Measurement = {
  title: 'Time of an install',
  needsLab: true,
  async run(say) {
    const lab = await bootLab('--nodes', String(NODES));
    try {
      say('terrarium install');
      const { ms, phases } = await timeInstall(lab);
      say(`terrarium install: ${seconds(ms)} s; uninstalling`);
      const removed = await lab.admin(['uninstall', '-f', lab.clusterFile, '--yes']);
      if (removed.exitCode !== 0) {
        throw new Error(`uninstall: exit ${removed.exitCode}: ${removed.stderr.trim()}`);
      }
      say('preparing bare kubeadm');
      await prepareReference(lab);
      const steps = await runReference(lab, say);
      const reference = steps.reduce((sum, s) => sum + s.ms, 0);
      const ratio = ms / reference;
      const markdown = [
        `${NODES} control planes on one lab, one run, in this order; s.`,
        '',
        table(
          ['', 's'],
          [
            [
              '`terrarium install` over ssh, from command to end: preflight, copying, unpacking, images, cluster, ' +
                'cloud, satellites, console; every pod Ready and every console answering',
              seconds(ms),
            ],
            [
              'bare kubeadm by hand on the same machines: image import, init and two joins one after the other, ' +
                'until all nodes and static pods are Ready; programs in place and containerd running before the ' +
                'clock starts',
              seconds(reference),
            ],
            ['ratio', ratio.toFixed(2)],
          ],
        ),
        '',
        `Promised for three nodes on two processors: ${PROMISED / 1000} s (${ms <= PROMISED ? 'kept' : 'missed'}).`,
        '',
        'Phase by phase (machines work side by side, so phases overlap); s after the command:',
        '',
        table(
          ['phase', 'nodes', 'begins', 'ends', 'takes'],
          phases.map((p) => [p.title, p.nodes, seconds(p.from), seconds(p.to), seconds(p.busy)]),
        ),
        '',
        'Bare kubeadm:',
        '',
        table(
          ['step', 's'],
          steps.map((s) => [s.title, seconds(s.ms)]),
        ),
      ].join('\n');
      return { data: { nodes: NODES, ms, phases, reference: { ms: reference, steps }, ratio }, markdown };
    } finally {
      await lab.down();
    }
  },
};
