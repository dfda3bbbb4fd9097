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
import t from 'tap';
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
