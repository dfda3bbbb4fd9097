import { randomBytes } from 'node:crypto';
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  rmdirSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import t from 'tap';
import { openCore } from '../../src/store/core.ts';
import type { CoreOptions } from '../../src/store/core/options.ts';
import { fileStorage } from '../../src/store/file-storage.ts';
import { loadKinds, loadSchema } from '../../src/store/kind.ts';
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
import { ROOMY, entryOf } from '../support/store-temp.ts';

const kinds = await loadKinds();
const schema = await loadSchema();

function parts(dir: string, storage: Storage = fileStorage(dir, 'FULL'), more: Partial<CoreOptions> = {}): CoreOptions {
  return {
    self: 'n1',
    kinds,
    schema,
    storage,
    timing: realTiming,
    random: randomBytes,
    log: () => undefined,
    space: () => ROOMY,
    ...more,
  };
}

function writeAt(file: string, text: string, at: number): void {
  const fd = openSync(file, 'r+');
  writeSync(fd, text, at);
  closeSync(fd);
}

t.test('a database that is missing is restored, not begun anew', async (t) => {
  const dir = t.testdir();
  await leaveDamaged(dir);
  // As a kill of an older release left it: put aside, and nothing in its place.
  renameSync(join(dir, 'state.db'), join(dir, 'aside.db'));
  let r = await openOne(dir);
  t.same(names(r), namesTo(600));
  t.match(r.status().reason, /missing and restored up to position 601/);
  await r.stop();
  rmSync(join(dir, 'aside.db'));
  rmSync(join(dir, 'state.db'));
  writeFileSync(join(dir, 'state.db'), '');
  r = await openOne(dir);
  t.same(names(r), namesTo(30));
  t.match(r.status(), { epoch: 1, reason: /missing and restored up to position 31; later changes may be lost/ });
  await r.stop();
});

t.test('what was put aside long ago does not get its lost changes into another history', async (t) => {
  const dir = t.testdir();
  await leaveDamaged(dir);
  const aside = join(dir, 'aside.db');
  cpSync(join(dir, 'state.db'), aside);
  alter(aside, 'DELETE FROM _log WHERE message > 31');
  for (const left of ['state.db', 'snapshots/1-31.db', 'snapshots/1-31.json']) {
    rmSync(join(dir, left));
  }
  let r = await openOne(dir);
  t.equal(r.position(), 31);
  await r.stop();
  // From the older snapshot on, another history than that of the file put aside.
  cpSync(join(dir, 'aside.db'), join(dir, 'kept.db'));
  rmSync(aside);
  rmSync(join(dir, 'state.db'));
  r = await openOne(dir);
  await r.propose(put(20, 'of the new history'));
  await r.snapshot();
  await r.stop();
  rmSync(join(dir, 'state.db'));
  renameSync(join(dir, 'kept.db'), aside);
  r = await openOne(dir);
  t.same(names(r), [...namesTo(20), 'of the new history']);
  await r.stop();
});

t.test('a database that cannot be opened for another reason than damage is left as it is', async (t) => {
  const dir = t.testdir();
  const first = await openOne(dir);
  await putAll(first, 0, 3);
  await first.snapshot();
  await putAll(first, 3, 5);
  await first.stop();
  mkdirSync(join(dir, 'state.db-shm'));
  const log: string[] = [];
  await t.rejects(openOne(dir, log), { code: /^SQLITE_(CANTOPEN|READONLY|IOERR)/ });
  t.same(log, []);
  t.same(databases(dir), ['state.db']);
  rmdirSync(join(dir, 'state.db-shm'));
  const r = await openOne(dir);
  t.same(names(r), namesTo(5));
  await r.stop();
});

t.test('where nothing is left to restore from, there is no empty history in its place', async (t) => {
  const dir = t.testdir();
  await leaveDamaged(dir, 'DELETE FROM _log WHERE message < 5');
  const state = join(dir, 'state.db');
  alter(state, DAMAGE);
  for (const position of [21, 31]) {
    alter(join(dir, `snapshots/1-${position}.db`), DAMAGE);
  }
  for (const _again of [1, 2]) {
    await t.rejects(openOne(dir), { code: 'store-damaged', remedy: /./ });
  }
  t.ok(existsSync(state));
  t.equal(
    readdirSync(join(dir, 'snapshots')).filter((name) => name.endsWith('.json')).length,
    2,
    'what is damaged is kept',
  );
  t.notOk(existsSync(join(dir, 'restoring.db')));
});

t.test('a snapshot that is damaged is passed over', async (t) => {
  const dir = t.testdir();
  await leaveDamaged(dir);
  alter(join(dir, 'snapshots/1-31.db'), DAMAGE);
  const log: string[] = [];
  const r = await openOne(dir, log);
  t.same(names(r), namesTo(600));
  t.equal(r.status().reason, undefined);
  t.ok(log.some((line) => /snapshot of position 31 is of no use/.test(line)));
  t.equal(r.status().snapshot, 21, 'it is gone');
  t.match(await r.scrub(), { problems: [], healing: 'none' });
  await r.stop();
});

t.test('what is damaged in the history of the log does not end it', async (t) => {
  for (const [what, sql, reason] of [
    ['a hash', "UPDATE _history SET hash = x'00' WHERE message = 100", undefined],
    ['a chain', "UPDATE _history SET chain = '' WHERE message = 100", undefined],
    ['the chain of the snapshot', "UPDATE _history SET chain = '' WHERE message = 31", undefined],
    ['the last chain', "UPDATE _history SET chain = '' WHERE message = 601", undefined],
    ['all of it', 'DELETE FROM _history', undefined],
    [
      'an entry, and a row',
      "UPDATE _log SET entry = CAST(replace(CAST(entry AS TEXT), 'name 99', 'name ##') AS BLOB) WHERE message = 101",
      /up to position 100; later changes may be lost/,
    ],
  ] as const) {
    const dir = join(t.testdir(), what.replaceAll(' ', '-'));
    await leaveDamaged(dir, sql);
    if (reason !== undefined) {
      alter(join(dir, 'state.db'), DAMAGE);
    }
    const r = await openOne(dir);
    t.same(names(r), namesTo(reason === undefined ? 600 : 99), what);
    t.match(r.status(), { reason }, what);
    await r.stop();
  }
});

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
    parts(dir, undefined, {
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
  await t.rejects(openSingle(parts(dir, failing, { timing })), { code: 'SQLITE_FULL' });
  t.same(databases(dir), ['state.db']);
  full = false;
  const r = await openSingle(parts(dir, failing, { timing }));
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
  const r = await openSingle(parts('', failing, { timing, log: (line) => log.push(line) }));
  fails = true;
  failures = 1;
  while (failures < 4) {
    await realTiming.sleep(10);
  }
  t.ok(log.includes('store: the disk does not answer'));
  await r.stop();
});

t.test('after a snapshot that fails nothing of it is left, and there is none for a minute', async (t) => {
  const dir = t.testdir();
  let [now, space] = [1_700_000_000_000, ROOMY];
  const log: string[] = [];
  const core = openCore(
    parts(dir, undefined, {
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
  const core = openCore(parts(dir), true);
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

t.test('a header by which the file is for reading only is found', async (t) => {
  const dir = t.testdir();
  await leaveDamaged(dir);
  // The version of the format that writes.
  writeAt(join(dir, 'state.db'), '\x03', 18);
  const r = await openOne(dir);
  t.same(names(r), namesTo(600));
  t.match(r.status(), { reason: undefined });
  await r.stop();
});

t.test('a description of a snapshot that is damaged is none', async (t) => {
  const dir = t.testdir();
  await leaveDamaged(dir);
  writeAt(join(dir, 'snapshots/1-31.json'), 'x', 0);
  const r = await openOne(dir);
  t.same(names(r), namesTo(600));
  t.equal(r.status().snapshot, 21);
  await r.stop();
});
