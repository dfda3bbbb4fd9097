import t from 'tap';
import { checkCluster } from '../support/cluster.ts';
import { bootLab } from '../support/lab.ts';

for (const [title, machines, planes] of [
  ['one machine alone', 1, 1],
  ['three control planes and a worker', 4, 3],
  ['five control planes', 5, 5],
] as const) {
  t.test(title, async (t) => {
    const lab = await bootLab('--nodes', String(machines));
    t.teardown(() => lab.down());
    const installed = await lab.admin(['install', '-f', lab.clusterFile]);
    t.equal(installed.exitCode, 0, `${installed.stderr}${installed.stdout.slice(-2000)}`);
    await checkCluster(t, lab);
    const labelled = await lab.admin([
      'kubectl',
      'get',
      'nodes',
      '-l',
      'node-role.kubernetes.io/control-plane',
      '-o',
      'name',
    ]);
    t.equal(labelled.stdout.trim().split('\n').length, planes);
  });
}
