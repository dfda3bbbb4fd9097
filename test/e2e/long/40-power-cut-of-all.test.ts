import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { checkCluster } from '../support/cluster.ts';
import { checkMembers } from '../support/kills.ts';
import { bootLab, eventually } from '../support/lab.ts';

const LATE_MS = 5 * 60_000;

t.test(
  'all three lose their power at once, start in another order, one five minutes late, and everything returns by itself',
  async (t) => {
    const lab = await bootLab('--nodes', '3');
    t.teardown(() => lab.down());
    const [a = '', b = '', c = ''] = lab.machines.map((m) => m.name);
    const installed = await lab.admin(['install', '-f', lab.clusterFile]);
    t.equal(installed.exitCode, 0, installed.stderr);

    const cut = await lab.admin(['lab', 'stop', '--all']);
    t.equal(cut.exitCode, 0, cut.stderr);
    const dark = await lab.admin(['status'], { timeoutMs: 120_000 });
    t.equal(dark.exitCode, 5, 'status says that no machine answers');
    for (const name of [c, b]) {
      const started = await lab.admin(['lab', 'start', name]);
      t.equal(started.exitCode, 0, started.stderr);
    }
    const began = Date.now();
    const two = await eventually(
      () => lab.admin(['kubectl', 'get', 'nodes'], { timeoutMs: 60_000 }),
      (k) => k.exitCode === 0 && (k.stdout.match(/ Ready /g) ?? []).length === 2 && /NotReady/.test(k.stdout),
      180_000,
    );
    t.equal(
      (two.stdout.match(/ Ready /g) ?? []).length,
      2,
      `two are a quorum ${Math.round((Date.now() - began) / 1000)} s after the second has started: ` +
        `${two.stdout}${two.stderr}`,
    );
    await sleep(Math.max(0, LATE_MS - (Date.now() - began)));
    const started = await lab.admin(['lab', 'start', a]);
    t.equal(started.exitCode, 0, started.stderr);
    const back = Date.now();
    const status = await eventually(
      () => lab.admin(['status'], { timeoutMs: 60_000 }),
      (s) => s.exitCode === 0,
      180_000,
    );
    t.equal(status.exitCode, 0, status.stdout);
    t.comment(`all is healthy ${Math.round((Date.now() - back) / 1000)} s after the last has started`);
    await checkCluster(t, lab);
    await checkMembers(t, lab);
  },
);
