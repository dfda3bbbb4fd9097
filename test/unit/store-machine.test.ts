import t from 'tap';
import { z } from 'zod';
import { encodeMessage } from '../../src/store/entry.ts';
import { defineCommand, type CommandKind } from '../../src/store/kind.ts';
import { openMachine } from '../../src/store/machine.ts';
import { hashMessage } from '../../src/store/machine/apply.ts';
import { KEEP_AUDIT, WHOLE_TABLES_EVERY } from '../../src/store/machine/whole-tables.ts';
import { atOnce, verifySteps } from '../../src/store/verify.ts';
import { contents, entryOf } from '../support/store-temp.ts';
import { HASH, kind, kinds, machine, schema, started, user } from './support/state-machine.ts';

t.test('the same entries give the same tables and the same chain, one at a time or together', async (t) => {
  const entries = [
    entryOf('schema.activate', { version: 1 }),
    user('eva'),
    user('eva'),
    user('max', 'viewer'),
    entryOf('token.create', { id: 't1', owner: 'max', name: 'ci', hash: HASH, scope: ['read'], expiresAt: 9999 }),
    entryOf('user.delete', { name: 'max' }),
    entryOf('user.delete', { name: 'eva' }),
  ];
  const one = machine();
  const other = machine();
  const outcomes = entries.flatMap((e) => one.apply([e]));
  t.same(other.apply(entries), outcomes);
  t.same(contents(one.db), contents(other.db));
  t.same(one.meta(), other.meta());
  t.match(
    outcomes.map((o) => o.result),
    [
      { ok: true },
      { ok: true },
      { ok: false, code: 'exists' },
      { ok: true },
      { ok: true },
      { ok: true },
      { ok: false, code: 'denied' },
    ],
  );
  t.equal(one.db.prepare('SELECT count(*) FROM tokens').pluck().get(), 0, 'a cascade');
  t.same(atOnce(verifySteps(one.db)), []);
});

t.test('an id that comes again is skipped, its first result answered, and the position moves on', async (t) => {
  const m = started();
  const create = user('eva');
  const [first] = m.apply([create]);
  const [again, third] = m.apply([create, user('max')]);
  t.same([again?.position, again?.at, third?.at], [2, 3, 4]);
  t.same(again?.result, first?.result);
  t.match(m.find(first?.id ?? ''), { position: 2, result: { ok: true } });
});

t.test('what is expected is judged for each resource, when it is applied', async (t) => {
  const m = started();
  m.apply([user('eva'), user('max')]);
  const rename = (version: number) =>
    entryOf('user.update', { name: 'max', role: 'viewer' }, { expect: { resource: 'user/max', version } });
  t.match(
    m
      .apply([
        rename(2),
        rename(3),
        rename(3),
        entryOf(
          'user.create',
          { name: 'new', role: 'viewer', passwordHash: 'h', mustChangePassword: false },
          { expect: { resource: 'user/new', version: 0 } },
        ),
      ])
      .map((o) => o.result),
    [
      { ok: false, code: 'version-conflict' },
      { ok: true },
      { ok: false, code: 'version-conflict', message: /version 5, not 3/ },
      { ok: true },
    ],
  );
  m.apply([entryOf('user.delete', { name: 'max' }), user('max')]);
  t.equal(
    m.db.prepare("SELECT version FROM users WHERE name = 'max'").pluck().get(),
    9,
    'made again, it has no version that somebody could still hold',
  );
});

t.test('every command leaves an audit row: who, what, before, after, and no secret', async (t) => {
  const m = started();
  m.apply([
    user('eva'),
    entryOf('user.update', { name: 'eva', passwordHash: 'SECRET', disabled: false }, { actor: 'eva' }),
    user('eva'),
  ]);
  const rows = m.db
    .prepare<[], { actor: string; kind: string; outcome: string; resource: string; changes: string }>(
      'SELECT * FROM audit WHERE position > 1 ORDER BY position',
    )
    .all();
  t.match(rows, [
    { kind: 'user.create', outcome: 'ok', resource: 'user/eva' },
    { actor: 'eva', kind: 'user.update', outcome: 'ok' },
    { kind: 'user.create', outcome: 'exists' },
  ]);
  t.match(JSON.parse(rows[1]?.changes ?? ''), [
    { before: { mustChangePassword: true }, after: { passwordAt: Number } },
  ]);
  t.notMatch(JSON.stringify(rows), 'SECRET');
});

t.test('an unexpected throw stops at its entry, with what came before applied and nothing skipped', async (t) => {
  const m = started({
    'test.fault': kind((tx) => {
      tx.run("UPDATE users SET role = 'viewer'");
      throw new TypeError('a fault of ours');
    }),
  });
  t.throws(() => m.apply([user('eva'), entryOf('test.fault', {}), user('max')]), {
    name: 'Broken',
    position: 3,
    message: /position 3 \(test\.fault\).*a fault of ours/,
  });
  t.equal(m.meta().position, 2);
  t.same(m.db.prepare('SELECT name, role FROM users').all(), [{ name: 'eva', role: 'admin' }]);
  t.throws(() => m.apply([entryOf('test.unknown', {})]), { name: 'Broken', message: /does not know/ });
  t.throws(() => m.apply([Buffer.from('{"v":2}')]), { name: 'Broken' });
  t.throws(() => m.apply([entryOf('schema.activate', { version: 99 })]), {
    name: 'Broken',
    message: /newer than this release/,
  });
  t.same(atOnce(verifySteps(m.db)), [], 'the sums are those of the rows that are there');
  m.apply([user('max')]);
  t.same(atOnce(verifySteps(m.db)), []);
});

t.test('entries of one message have positions of their own, and are applied all or none', async (t) => {
  const fault = {
    'test.fault': kind(() => {
      throw new TypeError('a fault of ours');
    }),
  };
  const m = started(fault);
  const update = (role: string, version: number) =>
    entryOf('user.update', { name: 'max', role }, { expect: { resource: 'user/max', version } });
  const together = encodeMessage([
    user('eva'),
    user('max'),
    update('viewer', 3),
    update('operator', 3),
    update('operator', 4),
  ]);
  t.same(
    m.apply([together]).map((o) => [o.at, o.result.ok]),
    [
      [2, true],
      [3, true],
      [4, true],
      [5, false],
      [6, true],
    ],
    'one expects what another of the same message has made',
  );
  t.match(m.meta(), { message: 2, position: 6 });
  t.equal(m.db.prepare('SELECT count(*) FROM _history').pluck().get(), 2, 'one row for each message');
  t.equal(m.chainAt(2), m.meta().chain);
  t.same([...m.messageHashes(2, 2)], [[2, hashMessage(together)]]);
  const before = contents(m.db);
  t.throws(() => m.apply([encodeMessage([user('ada'), user('bob'), entryOf('test.fault', {}), user('joe')])]), {
    name: 'Broken',
    position: 9,
    message: /position 9 \(test\.fault\)/,
  });
  t.same(contents(m.db), before);
  t.throws(() => m.apply([user('ada'), encodeMessage([user('bob'), entryOf('test.fault', {})])]), {
    name: 'Broken',
    position: 9,
    applied: [{ at: 7 }],
  });
  t.match(m.meta(), { message: 3, position: 7 });
  t.throws(() => m.apply([Buffer.concat([user('bob'), Buffer.from('\n')])]), { name: 'Broken' });
  t.same(atOnce(verifySteps(m.db)), []);
});

t.test('a command that breaks a rule of the tables is refused, and stops nobody', async (t) => {
  const nested = (levels: number): unknown => (levels === 0 ? 1 : [nested(levels - 1)]);
  const m = started({
    'test.check': kind((tx) => {
      tx.run("UPDATE users SET role = 'viewer'");
      tx.run("UPDATE users SET role = 'nonsense'");
      return { changes: [] };
    }),
    'test.audit': kind((tx, { args }) => {
      tx.run("UPDATE users SET role = 'viewer'");
      return { changes: [{ resource: 'user/eva', before: null, after: args as null }] };
    }),
  });
  m.apply([user('eva')]);
  t.match(m.apply([entryOf('test.check', {})]), [
    { result: { ok: false, code: 'invalid', message: /SQLITE_CONSTRAINT_CHECK/ } },
  ]);
  t.match(
    m.apply([
      entryOf('query.put', { id: 'q', owner: 'eva', name: 'q', sql: 'select 1', details: { a: nested(1200) } }),
    ]),
    [{ result: { ok: false, code: 'invalid' } }],
  );
  t.match(m.apply([entryOf('test.audit', nested(1200))]), [{ result: { ok: false, code: 'invalid' } }]);
  t.same(m.db.prepare('SELECT role FROM users').pluck().all(), ['admin'], 'nothing of it is left');
  t.same(
    m.db
      .prepare("SELECT position, outcome, changes FROM audit WHERE outcome = 'invalid' ORDER BY position")
      .raw()
      .all(),
    [
      [3, 'invalid', '[]'],
      [4, 'invalid', '[]'],
      [5, 'invalid', '[]'],
    ],
  );
  t.same(atOnce(verifySteps(m.db)), []);
});

t.test('the audit log keeps its newest rows, whatever else is written', async (t) => {
  const m = started({
    'test.silent': defineCommand<unknown>({
      since: 1,
      args: z.unknown(),
      audited: false,
      apply: () => ({ changes: [] }),
    }),
  });
  m.db.exec(
    `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${KEEP_AUDIT + 500}) INSERT INTO ` +
      `audit SELECT -i, 'a' || i, 0, 'eva', 'audit.note', 'ok', NULL, '[]' FROM n`,
  );
  const rows = (): unknown => m.db.prepare('SELECT count(*), min(position) FROM audit').raw().get();
  const silent = (): Buffer[] => Array.from({ length: WHOLE_TABLES_EVERY }, () => entryOf('test.silent', {}));
  m.apply(silent());
  t.same(rows(), [KEEP_AUDIT, 1 - KEEP_AUDIT]);
  m.apply(silent());
  t.same(rows(), [KEEP_AUDIT, 1 - KEEP_AUDIT], 'what leaves no row pushes none out');
});

t.test('the chain covers what was written, not what was asked', async (t) => {
  const lying = (role: string): CommandKind<unknown> =>
    kind((tx) => {
      tx.run('INSERT INTO users VALUES (?, ?, ?, 0, 0, 0, 0, ?)', 'eva', role, 'h', tx.position);
      return { changes: [] };
    });
  const entry = entryOf('test.make', {});
  const activate = entryOf('schema.activate', { version: 1 });
  const chains = ['admin', 'admin', 'viewer'].map((role) => {
    const m = machine({ 'test.make': lying(role) });
    m.apply([activate, entry]);
    return m.meta().chain;
  });
  t.equal(chains[0], chains[1]);
  t.not(chains[0], chains[2]);
});

t.test(
  'a row that was changed behind our back is found: by a scan, and at the latest at the next thousandth position',
  async (t) => {
    const m = started();
    m.apply([user('eva')]);
    m.db.exec('DROP TRIGGER temp."_image users UPDATE"; UPDATE users SET role = \'viewer\'');
    t.match(atOnce(verifySteps(m.db)), [/table users/]);
    const notes = Array.from({ length: WHOLE_TABLES_EVERY - 2 }, () =>
      entryOf('audit.note', { resource: 'x', before: null, after: null }),
    );
    t.throws(() => m.apply(notes), {
      name: 'Broken',
      position: WHOLE_TABLES_EVERY,
      message: /users is not what was written/,
    });
  },
);

t.test('a crash at any step leaves either all of a transaction or nothing, and a restart goes on', async (t) => {
  for (const where of ['applied', 'before commit', 'after commit']) {
    let crash = false;
    const m = machine({}, (name) => {
      if (crash && name === where) {
        throw new Error('crash');
      }
    });
    m.apply([entryOf('schema.activate', { version: 1 })]);
    crash = true;
    const entries = [user('eva'), user('max')];
    t.throws(() => m.apply(entries));
    const again = openMachine(m.db, { kinds, schema, keepLog: true });
    t.equal(again.meta().position, where === 'after commit' ? 3 : 1);
    again.apply(entries);
    t.same(atOnce(verifySteps(again.db)), []);
    t.equal(again.db.prepare('SELECT count(*) FROM users').pluck().get(), 2);
  }
});
