import t from 'tap';
import { seeded } from '../../support/seeded.ts';
import { checkCluster } from '../support/cluster.ts';
import { checkMembers, installAndKill, type Kill } from '../support/kills.ts';
import { bootLab } from '../support/lab.ts';

const SEED = Number(process.env['TERRARIUM_SEED'] ?? 20261121);

t.test('ten installs, each struck at a moment of its own, are completed by the same command', async (t) => {
  t.comment(`TERRARIUM_SEED=${SEED}`);
  const lab = await bootLab('--nodes', '3');
  t.teardown(() => lab.down());
  const [a = '', b = '', c = ''] = lab.machines.map((m) => m.name);
  const random = seeded(SEED);
  const after = (ms: number): number => Math.round(random() * ms);
  const kills: Kill[] = [
    { at: `prepare/${a}/release`, afterMs: after(1500), what: 'power', machine: a },
    { at: `prepare/${c}/images`, afterMs: after(3000), what: 'executor', machine: c },
    { at: `prepare/${b}/images`, afterMs: after(3000), what: 'power', machine: b },
    { at: `bootstrap/${a}/kube-pki`, afterMs: after(500), what: 'kubeadm', machine: a },
    { at: `bootstrap/${a}/control-plane`, afterMs: after(4000), what: 'coordinator', machine: a },
    { at: `bootstrap/${a}/control-plane`, afterMs: after(4000), what: 'power', machine: a },
    { at: `join/${b}/etcd-join`, afterMs: after(1500), what: 'kubeadm', machine: b },
    { at: `join/${c}/etcd-join`, afterMs: after(2500), what: 'power', machine: c },
    { at: `join/${b}/control-plane`, afterMs: after(3000), what: 'executor', machine: b },
    { at: `stack/${a}/stack-ready`, afterMs: after(4000), what: 'cli', machine: a },
  ];
  for (const kill of kills) {
    await t.test(`${kill.what} on ${kill.machine}, ${kill.afterMs} ms into ${kill.at}`, async (t) => {
      const { ended, struck } = await installAndKill(lab, kill);
      t.ok(struck, `struck; the command ended with ${ended.exitCode}`);
      const last = await lab.admin(['install', '-f', lab.clusterFile]);
      t.equal(last.exitCode, 0, `${last.stderr}\n${last.stdout.slice(-2000)}`);
      await checkCluster(t, lab);
      await checkMembers(t, lab);
      const removed = await lab.admin(['uninstall', '-f', lab.clusterFile, '--yes']);
      t.equal(removed.exitCode, 0, removed.stderr);
    });
  }
});
