import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, readdirSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { fileStorage } from '../../src/store/file-storage.ts';
import { loadSchema } from '../../src/store/kind.ts';
import { openReplica } from '../../src/store/open.ts';
import type { Replica } from '../../src/store/replica.ts';

const ROOMY = { free: 1e12, total: 1e12 };
const open = (dir: string, log: string[] = [], space = () => ROOMY): Promise<Replica> =>
  openReplica({ self: 'n1', dir, log: (l) => log.push(l), space });
const user = (name: string) => ({
  kind: 'user.create',
  actor: 'test',
  args: { name, role: 'admin', passwordHash: `hash of ${name}`, mustChangePassword: false },
});
const count = (r: Replica): unknown => r.db.prepare('SELECT count(*) FROM users').pluck().get();

t.test('proposes, reads, waits, tells of changes, and is there after another start', async (t) => {
  const dir = t.testdir();
  let r = await open(dir);
  const heard: number[] = [];
  r.onChange((c) => heard.push(c.position));
  const outcomes = await Promise.all(Array.from({ length: 50 }, (_, n) => r.propose(user(`u${n}`))));
  t.equal(new Set(outcomes.map((o) => o.position)).size, 50);
  t.ok(heard.length < 10, 'many in one transaction');
  t.equal(count(r), 50);
  t.match(await r.propose(user('u1')), { result: { ok: false, code: 'exists' } });
  t.equal(await r.waitFor(r.position(), 0), true);
  t.equal(await r.waitFor(r.position() + 1, 20), false);
  const [waited] = await Promise.all([r.waitFor(r.position() + 1, 2000), r.propose(user('later'))]);
  t.ok(waited);
  t.throws(() => r.db.exec('DELETE FROM users'), /readonly/);
  t.equal(statSync(join(dir, 'state.db')).mode & 0o777, 0o600);
  const position = r.position();
  await r.stop();
  r = await open(dir);
  t.equal(r.position(), position);
  t.match(r.status(), {
    mode: 'single',
    state: 'ready',
    reason: undefined,
    epoch: 1,
    schema: (await loadSchema()).at(-1)?.version,
  });
  await r.stop();
});

t.test('the same id again gets the first answer', async (t) => {
  const r = await open(t.testdir());
  const draft = { ...user('eva'), id: '01ARZ3NDEKTSV4RRFFQ69G5FAV' };
  const [a, b] = await Promise.all([r.propose(draft), r.propose(draft)]);
  t.same(a, b);
  t.same(await r.propose(draft), a);
  await r.stop();
});

t.test('what cannot be taken is refused by a sentence with a code', async (t) => {
  let space = ROOMY;
  const r = await open(t.testdir(), [], () => space);
  await t.rejects(r.propose({ ...user('x'), kind: 'no.such' }), { code: 'store-invalid' });
  await t.rejects(r.propose({ ...user('Not a name') }), { code: 'store-invalid', message: /name/ });
  let deep: unknown = 1;
  for (let n = 0; n < 5000; n += 1) {
    deep = [deep];
  }
  await t.rejects(
    r.propose({
      kind: 'query.put',
      actor: 'eva',
      args: { id: 'q', owner: 'eva', name: 'q', sql: 'select 1', details: { deep } },
    }),
    { code: 'store-invalid', message: /nested/ },
  );
  await t.rejects(
    r.propose({ kind: 'audit.note', actor: 'a', args: { resource: 'x', before: null, after: 'y'.repeat(300_000) } }),
    { code: 'store-too-large' },
  );
  for (const levels of [5, 1_500]) {
    let deep: unknown = 1;
    for (let level = 0; level < levels; level += 1) {
      deep = level % 2 === 0 ? [deep] : { a: deep };
    }
    await t.rejects(
      r.propose({
        kind: 'query.put',
        actor: 'a',
        args: { id: 'q', owner: 'eva', name: 'q', sql: 'select 1', details: { a: deep } },
      }),
      { code: 'store-invalid', message: /details.a|nested/ },
      `${levels} levels`,
    );
    await t.rejects(r.propose({ kind: 'audit.note', actor: 'a', args: { resource: 'x', before: null, after: deep } }), {
      code: 'store-invalid',
    });
  }
  t.match(
    await r.propose({
      kind: 'query.put',
      actor: 'a',
      args: { id: 'q', owner: 'eva', name: 'q', sql: 'select 1', details: { chart: [{ a: [[1, null, 'x', true]] }] } },
    }),
    { result: { ok: true } },
  );
  const many = Array.from({ length: 1100 }, (_, n) =>
    r.propose(user(`u${n}`)).then(
      () => 'ok',
      (e: { code: string }) => e.code,
    ),
  );
  t.same([...new Set(await Promise.all(many))].sort(), ['ok', 'store-busy']);
  space = { free: 5e8, total: 1e10 };
  await t.rejects(r.propose(user('full')), { code: 'store-disk-full', remedy: /./ });
  await r.stop();
  await t.rejects(r.propose(user('late')), { code: 'store-stopped' });
});

function flip(file: string, text: string): void {
  const at = readFileSync(file).indexOf(text);
  if (at < 0) {
    throw new Error(`${text} is not in ${file}`);
  }
  const fd = openSync(file, 'r+');
  writeSync(fd, Buffer.from([text.charCodeAt(text.length - 1) ^ 1]), 0, 1, at + text.length - 1);
  closeSync(fd);
}

t.test(
  'a flipped bit in the database is found by a scrub and mended from snapshot and log, nothing lost',
  async (t) => {
    const dir = t.testdir();
    const log: string[] = [];
    let r = await open(dir, log);
    for (let n = 0; n < 20; n += 1) {
      await r.propose(user(`u${n}`));
    }
    await r.snapshot();
    for (let n = 20; n < 40; n += 1) {
      await r.propose(user(`u${n}`));
    }
    const before = r.status();
    await r.stop();
    // In the table's row it follows on name and role, in the log's entry on a quote.
    flip(join(dir, 'state.db'), 'u7adminhash of u7');
    r = await open(dir, log);
    t.equal(r.position(), before.position);
    t.equal(r.status().chain, before.chain);
    t.equal(count(r), 40);
    t.equal(r.db.prepare("SELECT password_hash FROM users WHERE name = 'u7'").pluck().get(), 'hash of u7');
    t.ok(log.some((l) => l.includes('table users')));
    t.equal(r.status().reason, undefined, 'nothing lost');
    t.match(await r.scrub(), { problems: [], healing: 'none' });
    t.match(await r.propose(user('after')), { result: { ok: true } });
    await r.stop();
  },
);

t.test('a flipped bit in the log is found, and the log begun anew', async (t) => {
  const dir = t.testdir();
  let r = await open(dir);
  for (let n = 0; n < 10; n += 1) {
    await r.propose(user(`u${n}`));
  }
  await r.stop();
  flip(join(dir, 'state.db'), '"hash of u7');
  r = await open(dir);
  t.equal(r.position(), 11);
  t.ok(r.status().snapshot >= 11);
  t.match(await r.scrub(), { problems: [], healing: 'none' });
  await r.stop();
});

t.test('a file that is no database any more is restored as far as snapshots go, and says so', async (t) => {
  const dir = t.testdir();
  let r = await open(dir);
  await r.propose(user('eva'));
  await r.snapshot();
  await r.propose(user('max'));
  await r.stop();
  writeFileSync(join(dir, 'state.db'), 'this is no database. '.repeat(1000));
  const log: string[] = [];
  r = await open(dir, log);
  t.same(r.db.prepare('SELECT name FROM users').pluck().all(), ['eva']);
  t.match(r.status().reason, /position 2; later changes may be lost/);
  await r.stop();
});

t.test('three snapshots stay, each a database that SQLite finds sound', async (t) => {
  const dir = t.testdir();
  const r = await open(dir);
  for (let n = 0; n < 5; n += 1) {
    await r.propose(user(`u${n}`));
    const [, under] = await Promise.all([r.snapshot(), r.propose(user(`v${n}`))]);
    t.ok(under.result.ok, 'written meanwhile');
  }
  const names = readdirSync(join(dir, 'snapshots')).sort();
  t.equal(names.filter((n) => n.endsWith('.db')).length, 3);
  t.equal(names.length, 6);
  await r.stop();
});

t.test('each write of one instance is on disk before it is answered', async (t) => {
  const dir = t.testdir();
  const script = `const { openReplica } = await import('./src/store/open.ts');
    const space = () => ({ free: 1e12, total: 1e12 });
    const r = await openReplica({ self: 'n1', dir: process.argv[1], log: () => {}, space });
    const note = (after) => ({ kind: 'audit.note', actor: 'a', args: { resource: 'x', before: null, after } });
    console.error('BEGIN');
    for (let n = 0; n < 20; n += 1) await r.propose(note(n));
    console.error('END'); process.exit(0);`;
  const trace = join(dir, 'trace');
  execFileSync(
    'strace',
    [
      '-f',
      '-e',
      'trace=fsync,fdatasync,write',
      '-s',
      '16',
      '-o',
      trace,
      process.execPath,
      '--input-type=module',
      '-e',
      script,
      join(dir, 'state'),
    ],
    { stdio: 'ignore' },
  );
  const text = readFileSync(trace, 'utf8');
  const between = text.slice(text.indexOf('"BEGIN'), text.indexOf('"END'));
  t.ok((between.match(/f(data)?sync\(/g) ?? []).length >= 20, 'at least one fsync each');
});

t.test('a database of a newer release is left alone', async (t) => {
  const dir = t.testdir();
  const r = await open(dir);
  await r.propose(user('eva'));
  await r.stop();
  const storage = fileStorage(dir, 'FULL');
  const { writer, reader } = storage.open();
  writer.exec('UPDATE _meta SET schema = 9999');
  reader.close();
  writer.close();
  await t.rejects(open(dir), { code: 'store-newer', message: /schema 9999/, remedy: /./ });
  t.ok(readdirSync(dir).includes('state.db'));
  t.notOk(readdirSync(dir).includes('aside.db'));
});
