import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import t from 'tap';
import { fileStorage } from '../../src/store/file-storage.ts';
import { openSingle } from '../../src/store/single.ts';
import type { Storage } from '../../src/store/storage.ts';
import { realTiming } from '../../src/store/timing.ts';
import {
  DAMAGE,
  alter,
  databases,
  leaveDamaged,
  names,
  namesTo,
  openOne,
  put,
  putAll,
} from '../support/store-damage.ts';
import { coreOptions } from './support/store-core.ts';

t.test('a snapshot is not taken of a damaged database, which is restored while it is in use', async (t) => {
  const dir = t.testdir();
  const log: string[] = [];
  const r = await openOne(dir, log);
  await putAll(r, 0, 20);
  await r.snapshot();
  await putAll(r, 20, 25);
  alter(join(dir, 'state.db'), DAMAGE);
  // A damaged row that is written again is in the chain.
  await r.propose({ ...put(3, 'name 3 again') });
  await r.snapshot();
  t.same(readdirSync(join(dir, 'snapshots')).sort(), ['1-21.db', '1-21.json']);
  t.ok(log.some((line) => /no snapshot: the database is damaged: The table saved_queries/.test(line)));
  const resets: string[] = [];
  r.onChange(({ type }) => resets.push(type));
  const [report, outcome] = await Promise.all([r.scrub(), r.propose(put(25))]);
  t.match(report, { healing: 'restored', problems: [/saved_queries/] });
  t.match(outcome, { result: { ok: true } });
  t.ok(resets.includes('reset'));
  t.same(
    names(r),
    namesTo(26)
      .filter((name) => name !== 'name 3')
      .toSpliced(24, 0, 'name 3 again'),
  );
  t.equal(r.status().reason, undefined);
  t.match(await r.scrub(), { problems: [], healing: 'none' });
  await r.snapshot();
  t.equal(r.status().snapshot, r.position());
  await r.stop();
});

t.test('damage that a snapshot finds is mended at once', async (t) => {
  const dir = t.testdir();
  const log: string[] = [];
  const timing = {
    ...realTiming,
    sleep: (ms: number, signal?: AbortSignal) => realTiming.sleep(Math.min(ms, 20), signal),
  };
  const r = await openSingle(
    coreOptions(dir, undefined, {
      timing,
      log: (line) => log.push(line),
      limits: { snapshotEntries: 5, snapshotMs: 1e9, logMargin: 0 },
    }),
  );
  await putAll(r, 0, 10);
  while (r.status().snapshot < 11) {
    await realTiming.sleep(10);
  }
  alter(join(dir, 'state.db'), DAMAGE);
  await putAll(r, 10, 20);
  while (!log.some((line) => line.startsWith('store: restored'))) {
    await realTiming.sleep(10);
  }
  while (r.status().snapshot < 21) {
    await realTiming.sleep(10);
  }
  t.same(names(r), namesTo(20));
  t.match(r.status(), { state: 'ready', reason: undefined });
  await r.stop();
});

t.test('a change that damage is in the way of costs that change, and no later one', async (t) => {
  const dir = t.testdir();
  const r = await openOne(dir);
  await putAll(r, 0, 10);
  await r.snapshot();
  alter(join(dir, 'state.db'), DAMAGE);
  const note = { kind: 'audit.note', actor: 'a', args: { resource: 'x', before: null, after: 1 } };
  const answers = await Promise.all(
    Array.from({ length: 1000 }, () =>
      r.propose(note).then(
        () => 'ok',
        (error: Error) => error.message,
      ),
    ),
  );
  t.same(answers.filter((a) => a !== 'ok').length, 1);
  t.match(
    answers.find((a) => a !== 'ok'),
    /position 1000 .* is not what was written/,
  );
  t.match(r.status(), { state: 'ready', reason: undefined, position: 1010 });
  t.same(names(r), namesTo(10));
  await r.stop();
});

t.test('while it cannot be restored nothing is changed, and it is tried again', async (t) => {
  const dir = t.testdir();
  await leaveDamaged(dir);
  const storage = fileStorage(dir, 'FULL');
  let full = true;
  let ticks = 0;
  const timing = {
    ...realTiming,
    sleep: (ms: number, signal?: AbortSignal) =>
      realTiming.sleep(ms === 10_000 ? 20 : ms, signal).then(() => void (ticks += 1)),
  };
  const failing: Storage = {
    ...storage,
    prepare(from) {
      if (full) {
        throw new Database.SqliteError('database or disk is full', 'SQLITE_FULL');
      }
      return storage.prepare(from);
    },
  };
  await t.rejects(openSingle(coreOptions(dir, failing, { timing })), { code: 'SQLITE_FULL' });
  t.same(databases(dir), ['state.db']);
  full = false;
  const r = await openSingle(coreOptions(dir, failing, { timing }));
  full = true;
  alter(join(dir, 'state.db'), DAMAGE);
  await t.rejects(r.scrub(), { code: 'SQLITE_FULL' });
  t.match(r.status(), { state: 'stopped', reason: /damaged and cannot be restored: database or disk is full/ });
  await t.rejects(r.propose(put(600)), { code: 'store-stopped', message: /cannot be restored/ });
  const before = ticks;
  while (ticks < before + 3) {
    await realTiming.sleep(10);
  }
  t.equal(r.status().state, 'stopped');
  full = false;
  while (r.status().state !== 'ready') {
    await realTiming.sleep(10);
  }
  t.match(await r.propose(put(600)), { result: { ok: true } });
  t.same(names(r), namesTo(601));
  await r.stop();
});

t.test('what fails in the housekeeping is said, and does not end it', async (t) => {
  const storage = fileStorage(t.testdir(), 'FULL');
  const log: string[] = [];
  let failures = 0;
  const timing = {
    ...realTiming,
    now: () => Date.now() + failures * 3_600_000,
    sleep: (ms: number, signal?: AbortSignal) => realTiming.sleep(Math.min(ms, 10), signal),
  };
  let fails = false;
  const failing: Storage = {
    ...storage,
    async verify() {
      if (!fails) {
        return storage.verify();
      }
      failures += 1;
      throw new Error('the disk does not answer');
    },
  };
  const r = await openSingle(coreOptions('', failing, { timing, log: (line) => log.push(line) }));
  fails = true;
  failures = 1;
  while (failures < 4) {
    await realTiming.sleep(10);
  }
  t.ok(log.includes('store: the disk does not answer'));
  await r.stop();
});
