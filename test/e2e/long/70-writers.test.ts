import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { startHttpWriters, underLoad, type Writers } from '../../support/http-writers.ts';
import { isReady, kubeList, type Pod } from '../support/cluster.ts';
import { pkill } from '../support/kills.ts';
import { bootLab, eventually, type Lab } from '../support/lab.ts';
import { leadBus } from '../support/leaders.ts';
import { must } from '../support/terrarium.ts';
import { accessOf, stateFolders } from '../support/writers.ts';

const WRITERS = 20;
/** So that each makes well over 20 writes a second where nothing is slow. */
const EVERY_MS = 25;

let lab: Lab;
const names = (): string[] => lab.machines.map((m) => m.name);
const writers = (): Writers => startHttpWriters(WRITERS, EVERY_MS, accessOf(join(lab.dir, 'home')));

async function clouds(): Promise<Pod[]> {
  return kubeList<Pod>(lab, 'pods', '-n', 'terrarium-system', '-l', 'app.kubernetes.io/name=cloud');
}
const healthy = async (ms: number): Promise<void> => {
  const status = await eventually(
    () => lab.admin(['status'], { timeoutMs: 60_000 }),
    (s) => s.exitCode === 0,
    ms,
  );
  if (status.exitCode !== 0) {
    throw new Error(status.stdout + status.stderr);
  }
};

const during = (t: Test, work: () => Promise<void>): Promise<Writers['written']> =>
  underLoad(t, writers(), stateFolders(names()), work, () => healthy(120_000));

t.before(async () => {
  lab = await bootLab('--nodes', '3');
  const installed = await lab.admin(['install', '-f', lab.clusterFile]);
  if (installed.exitCode !== 0) {
    throw new Error(installed.stderr + installed.stdout);
  }
  // A new process compiles its code as that is used, for some 10,000 writes: the rates below are those of clouds that
  // have been at work.
  const first = writers();
  await sleep(25_000);
  await first.stop();
});
t.teardown(() => lab.down());

t.test('nothing disturbs the writers', async (t) => {
  const written = await during(t, () => sleep(20_000));
  t.strictSame(written.failed, []);
});

t.test('a cloud pod is killed -9', async (t) => {
  await during(t, async () => {
    await pkill(lab, names()[1] ?? '', '-x', '-f', '/usr/local/bin/terrarium cloud');
    await sleep(15_000);
  });
});

t.test('the nats-server that leads is killed -9', async (t) => {
  const leader = names()[2] ?? '';
  await leadBus(lab, leader);
  await during(t, async () => {
    await pkill(lab, leader, '-x', 'nats-server');
    await sleep(20_000);
  });
});

t.test('a whole machine loses its power, and comes back', async (t) => {
  const victim = names()[0] ?? '';
  await leadBus(lab, victim);
  await during(t, async () => {
    await must(lab.admin(['lab', 'stop', victim]));
    await sleep(25_000);
    await must(lab.admin(['lab', 'start', victim]));
    await healthy(180_000);
  });
});

t.test('a machine that writes is cut off from the others, and comes back', async (t) => {
  const victim = names()[2] ?? '';
  await during(t, async () => {
    await must(lab.admin(['lab', 'fault', 'partition', victim]));
    await sleep(25_000);
    await must(lab.admin(['lab', 'fault', 'clear', '--all']));
    await healthy(180_000);
  });
});

t.test('a wiped instance comes back from a snapshot', async (t) => {
  const victim = names()[1] ?? '';
  await during(t, async () => {
    // Killed after the files are gone: what it still has open is gone with it.
    await must(
      lab.exec(
        victim,
        'sh',
        '-c',
        'rm -rf /var/lib/terrarium/cloud/state/*; pkill -9 -x nats-server; pkill -9 -x -f ' +
          '"/usr/local/bin/terrarium cloud"',
      ),
    );
    await sleep(5_000);
    await healthy(120_000);
  });
});

t.test('the disk of the machine that leads the stream fills up, and is freed', async (t) => {
  const victim = names()[0] ?? '';
  await leadBus(lab, victim);
  await during(t, async () => {
    await must(lab.admin(['lab', 'fault', 'disk-full', victim]));
    await sleep(40_000);
    await must(lab.admin(['lab', 'fault', 'clear', victim]));
    await healthy(240_000);
  });
});

/** Ten at once would be more writes than the audit log keeps, by which they are checked. */
const ROUNDS_AT_ONCE = 5;

t.test('ten polite rolling restarts: no write fails', async (t) => {
  for (let from = 0; from < 10; from += ROUNDS_AT_ONCE) {
    const written = await during(t, async () => {
      for (let round = from + 1; round <= from + ROUNDS_AT_ONCE; round += 1) {
        const restarted = await lab.admin([
          'kubectl',
          'rollout',
          'restart',
          'daemonset/cloud',
          '-n',
          'terrarium-system',
        ]);
        t.equal(restarted.exitCode, 0, restarted.stderr);
        const done = await lab.admin(
          ['kubectl', 'rollout', 'status', 'daemonset/cloud', '-n', 'terrarium-system', '--timeout=300s'],
          { timeoutMs: 330_000 },
        );
        t.equal(done.exitCode, 0, `round ${round}: ${done.stdout}${done.stderr}`);
      }
      t.ok((await clouds()).every(isReady));
    });
    t.strictSame(written.failed, []);
  }
});
