import t from 'tap';
import { seeded } from '../support/seeded.ts';
import { checkCluster } from './support/cluster.ts';
import { checkMembers, installAndKill, type Kill } from './support/kills.ts';
import { bootLab } from './support/lab.ts';

const SEED = Number(process.env['TERRARIUM_SEED'] ?? 20261121);

t.test('an install that is killed three times is completed by the same command', async (t) => {
  t.comment(`TERRARIUM_SEED=${SEED}`);
  const lab = await bootLab('--nodes', '3');
  t.teardown(() => lab.down());
  const [a = '', b = ''] = lab.machines.map((m) => m.name);
  const random = seeded(SEED);
  // The operation goes on without its command, and a killed coordinator is started again by systemd: both would be past
  // the next
  // step before the next command follows. What ends it is the machine whose executor does not come back.
  const kills: Kill[] = [
    { at: `prepare/${b}/images`, afterMs: random() * 2000, what: 'cli', machine: a },
    { at: `join/${b}/etcd-join`, afterMs: random() * 3000, what: 'power', machine: b },
    { at: `join/${b}/control-plane`, afterMs: random() * 4000, what: 'coordinator', machine: a },
  ];
  for (const kill of kills) {
    const { ended, struck } = await installAndKill(lab, kill);
    t.ok(
      struck,
      `${kill.what} on ${kill.machine} was killed ${Math.round(kill.afterMs)} ms into ${kill.at}; the command ` +
        `ended with ${ended.exitCode}`,
    );
  }
  const last = await lab.admin(['install', '-f', lab.clusterFile]);
  t.equal(last.exitCode, 0, `${last.stderr}\n${last.stdout.slice(-2000)}`);
  await checkCluster(t, lab);
  await checkMembers(t, lab);
});
