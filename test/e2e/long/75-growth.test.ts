import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { parse, stringify } from 'yaml';
import { checkWritten, startHttpWriters } from '../../support/http-writers.ts';
import { bootLab, eventually } from '../support/lab.ts';
import { TERRARIUM } from '../support/terrarium.ts';
import { accessOf, stateFolders } from '../support/writers.ts';

t.test('one instance becomes three under 20 writers', async (t) => {
  const lab = await bootLab('--nodes', '3');
  t.teardown(() => lab.down());
  const [a, b, c] = lab.machines;
  if (a === undefined || b === undefined || c === undefined) {
    throw new Error('three machines');
  }
  const cluster = parse(readFileSync(lab.clusterFile, 'utf8')) as { hosts: unknown[] };
  const file = join(lab.dir, 'one.yaml');
  writeFileSync(file, stringify({ ...cluster, hosts: cluster.hosts.slice(0, 1) }));
  const installed = await lab.admin(['install', '-f', file]);
  t.equal(installed.exitCode, 0, `${installed.stderr}${installed.stdout.slice(-1500)}`);

  const access = accessOf(join(lab.dir, 'home'));
  const load = startHttpWriters(20, 40, access);
  await sleep(3_000);
  try {
    for (const { name, address } of [b, c]) {
      const made = await lab.exec(a.name, 'terrarium', 'token', 'create');
      t.equal(made.exitCode, 0, made.stderr);
      copyFileSync(TERRARIUM, `/run/terrarium-lab/${name.toLowerCase()}/root/root/terrarium`);
      const joined = await lab.exec(
        name,
        'env',
        'HOME=/root',
        '/root/terrarium',
        ...made.stdout.trim().split(' ').slice(1),
      );
      t.equal(joined.exitCode, 0, `${joined.stderr}${joined.stdout.slice(-1500)}`);
      access.addresses.push(address);
      await sleep(3_000);
    }
  } finally {
    t.comment(await load.stop());
  }
  const status = await eventually(
    () => lab.admin(['status'], { timeoutMs: 60_000 }),
    (s) => s.exitCode === 0,
    120_000,
  );
  t.equal(status.exitCode, 0, status.stdout + status.stderr);
  await checkWritten(t, stateFolders(lab.machines.map((m) => m.name)), load.written);
});
