import { mkdirSync, readdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openCore } from '../../src/store/core.ts';
import { realTiming } from '../../src/store/timing.ts';
import { put } from '../support/store-damage.ts';
import { ROOMY, entryOf } from '../support/store-temp.ts';
import { coreOptions, schema } from './support/store-core.ts';

t.test('after a snapshot that fails nothing of it is left, and there is none for a minute', async (t) => {
  const dir = t.testdir();
  let [now, space] = [1_700_000_000_000, ROOMY];
  const log: string[] = [];
  const core = openCore(
    coreOptions(dir, undefined, {
      timing: { ...realTiming, now: () => now },
      space: () => space,
      log: (line) => log.push(line),
      limits: { snapshotEntries: 2, snapshotMs: 1e9, logMargin: 0 },
    }),
    true,
  );
  core.machine().startEpoch(1);
  core
    .machine()
    .apply([entryOf('schema.activate', { version: schema.at(-1)?.version }), entryOf('query.put', put(1).args)]);
  t.ok(core.snapshotDue());
  space = { free: 1024 ** 3 + 4096, total: 10e9 };
  t.equal(await core.snapshot(), undefined);
  t.match(log, [/no snapshot: it would have 1 MB, and 1073 MB are free/]);
  t.notOk(core.snapshotDue());
  now += 60_000;
  t.ok(core.snapshotDue());
  space = ROOMY;
  mkdirSync(join(dir, 'snapshots/1-2.json.tmp'));
  t.equal(await core.snapshot(), undefined);
  t.same(readdirSync(join(dir, 'snapshots')), ['1-2.json.tmp']);
  rmdirSync(join(dir, 'snapshots/1-2.json.tmp'));
  t.notOk(core.snapshotDue());
  now += 60_000;
  t.match(await core.snapshot(), { position: 2 });
  t.notOk(core.snapshotDue());
  core.close();
});

t.test('a database that is not exchanged is opened again, as soon as that is possible', async (t) => {
  const dir = t.testdir();
  const core = openCore(coreOptions(dir), true);
  core.machine().startEpoch(1);
  const heard: string[] = [];
  core.onChange(({ type }) => heard.push(type));
  t.throws(
    () =>
      core.exchange(() => {
        throw new Error('no room');
      }),
    { message: 'no room' },
  );
  t.ok(core.machine().db.open);
  t.equal(core.reader().prepare('SELECT epoch FROM _meta').pluck().get(), 1);
  t.same(heard, ['reset']);
  t.throws(() => core.exchange(() => mkdirSync(join(dir, 'state.db-shm'))), { code: /^SQLITE_/ });
  t.notOk(core.machine().db.open);
  t.equal(core.machine().meta().epoch, 1);
  t.throws(() => core.exchange(() => undefined), { code: /^SQLITE_/ });
  rmdirSync(join(dir, 'state.db-shm'));
  core.exchange(() => undefined);
  t.ok(core.machine().db.open);
  t.equal(core.reader().prepare('SELECT epoch FROM _meta').pluck().get(), 1);
  t.same(heard, ['reset', 'reset']);
  core.close();
});
