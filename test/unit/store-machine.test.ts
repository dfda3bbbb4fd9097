import { randomUUID } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import t from 'tap';
import { z } from 'zod';
import { encodeMessage } from '../../src/store/entry.ts';
import { defineCommand, loadKinds, loadSchema, type CommandKind, type Kinds } from '../../src/store/kind.ts';
import { openMachine, type Machine } from '../../src/store/machine.ts';
import { hashMessage } from '../../src/store/machine/apply.ts';
import { KEEP_AUDIT, WHOLE_TABLES_EVERY } from '../../src/store/machine/whole-tables.ts';
import { atOnce, verifySteps } from '../../src/store/verify.ts';
import { contents, entryOf, memoryDatabase } from '../support/store-temp.ts';

const kinds = await loadKinds();
const schema = await loadSchema();
const HASH = 'a'.repeat(64);

function machine(more: Record<string, CommandKind<unknown>> = {}, step?: (name: string) => void): Machine {
  const all: Kinds = new Map([...kinds, ...Object.entries(more)]);
  return openMachine(memoryDatabase(), { kinds: all, schema, keepLog: true, ...(step === undefined ? {} : { step }) });
}
function started(more: Record<string, CommandKind<unknown>> = {}): Machine {
  const m = machine(more);
  m.apply([entryOf('schema.activate', { version: 1 })]);
  return m;
}
const user = (name: string, role = 'admin') =>
  entryOf('user.create', { name, role, passwordHash: 'h', mustChangePassword: true });
/** A kind that does what a test wants. */
function kind(apply: CommandKind<unknown>['apply']): CommandKind<unknown> {
  return defineCommand<unknown>({ since: 1, args: z.unknown(), apply });
}

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

t.test('clock and chance throw inside apply, in SQL also as a default', async (t) => {
  const impure: Record<string, CommandKind<unknown>['apply']> = {
    'test.now': () => ({ value: Date.now(), changes: [] }),
    'test.date': () => ({ value: new Date().toISOString(), changes: [] }),
    'test.random': () => ({ value: Math.random(), changes: [] }),
    'test.uuid': () => ({ value: randomUUID(), changes: [] }),
    'test.global': () => ({ value: crypto.randomUUID(), changes: [] }),
    'test.sql': (tx) => ({ value: tx.get<{ r: number }>('SELECT random() AS r')?.r ?? 0, changes: [] }),
    'test.datetime': (tx) => ({ value: tx.run("UPDATE users SET created_at = unixepoch('now')"), changes: [] }),
    'test.default': (tx) => ({ value: tx.run('INSERT INTO defaults (a) VALUES (1)'), changes: [] }),
    'test.changes': (tx) => ({ value: tx.get<{ c: number }>('SELECT changes() AS c')?.c ?? 0, changes: [] }),
  };
  const m = started(Object.fromEntries(Object.entries(impure).map(([name, apply]) => [name, kind(apply)])));
  m.apply([user('eva')]);
  m.db.exec('CREATE TABLE defaults (a INTEGER, b TEXT DEFAULT current_timestamp)');
  for (const name of Object.keys(impure)) {
    t.throws(
      () => m.apply([entryOf(name, {})]),
      { name: 'Broken', message: /not the same on every instance|unsafe use of/ },
      name,
    );
  }
  t.equal(m.meta().position, 2);
  t.ok(
    Date.now() > 1e12 && typeof Math.random() === 'number' && new Date().getTime() > 1e12,
    'and they are themselves again',
  );
  const fixed = started({ 'test.fixed': kind(() => ({ value: new Date(5).toISOString(), changes: [] })) });
  t.match(fixed.apply([entryOf('test.fixed', {})]), [{ result: { ok: true, value: '1970-01-01T00:00:00.005Z' } }]);
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

t.test('commands import nothing that could tell instances apart', async (t) => {
  const allowed = /^(zod|\.\.\/[a-z-]+\.ts)$/;
  for (const file of readdirSync('src/store/commands')) {
    for (const [, from] of readFileSync(`src/store/commands/${file}`, 'utf8').matchAll(/from '([^']+)'/g)) {
      t.match(from, allowed, file);
    }
  }
});

t.test('satellites: enrolment by token, collision, states in batches, revocation', async (t) => {
  const m = started();
  const enrol = (id: string, busKey: string, token?: string) =>
    entryOf('satellite.enrol', {
      id,
      name: id,
      tags: { own: '1' },
      access: 'both',
      busKey,
      httpsKey: 'k',
      details: {},
      ...(token === undefined ? {} : { token }),
    });
  m.apply([
    user('eva'),
    entryOf('enrolment.create', { id: 'e1', hash: HASH, tags: { site: 'a' }, uses: 1, expiresAt: 1e9 }),
    entryOf('enrolment.create', { id: 'e2', hash: 'b'.repeat(64), tags: {}, uses: 5, expiresAt: 1 }),
  ]);
  t.match(
    m
      .apply([
        enrol('s1', 'key1', 'e1'),
        enrol('s2', 'key2', 'e1'),
        enrol('s2', 'key2', 'e2'),
        enrol('s2', 'key2', 'none'),
        enrol('s1', 'key9'),
        enrol('s1', 'key1'),
      ])
      .map((o) => o.result),
    [
      { ok: true },
      { code: 'denied', message: /used up/ },
      { code: 'denied', message: /expired/ },
      { code: 'denied' },
      { code: 'exists' },
      { ok: true },
    ],
  );
  t.match(m.db.prepare('SELECT tags, state FROM satellites').all(), [
    { tags: '{"own":"1","site":"a"}', state: 'enrolled' },
  ]);
  t.match(
    JSON.parse(
      String(
        m.db
          .prepare("SELECT changes FROM audit WHERE kind = 'satellite.enrol' AND outcome = 'ok' ORDER BY position")
          .pluck()
          .get(),
      ),
    ),
    [{ resource: 'satellite/s1' }, { resource: 'enrolment/e1', before: { usesLeft: 1 }, after: { usesLeft: 0 } }],
    'the audit log tells of the token',
  );
  const states = Array.from({ length: 60 }, (_, n) =>
    entryOf('satellite.states', {
      states: [
        { id: 's1', state: n % 2 === 0 ? 'healthy' : 'degraded', at: 1e6 + n },
        { id: 'unknown', state: 'healthy', at: 1e6 },
      ],
    }),
  );
  t.match(m.apply(states).at(-1)?.result, { ok: true, value: 1 });
  t.equal(m.db.prepare('SELECT count(*) FROM satellite_states').pluck().get(), 50);
  t.match(
    m.apply([entryOf('satellite.states', { states: [{ id: 's1', state: 'healthy', at: 5 }] })])[0]?.result,
    { value: 0 },
    'an old observation',
  );
  m.apply([
    entryOf('satellite.revoke', { id: 's1' }),
    entryOf('satellite.states', { states: [{ id: 's1', state: 'healthy', at: 2e6 }] }),
  ]);
  t.equal(m.db.prepare('SELECT state FROM satellites').pluck().get(), 'revoked');
  t.match(m.apply([enrol('s1', 'key9')])[0]?.result, { ok: true }, 'after a revocation, with new keys');
  t.same(atOnce(verifySteps(m.db)), []);
});

t.test(
  'from schema 6 on a satellite renews its keys: both hold until it has come with the new ones, and then the old ' +
    'are void',
  async (t) => {
    const m = started();
    const [u1, u2, u3] = ['UA', 'UB', 'UC'].map((k) => k.padEnd(56, 'A'));
    const enrol = (id: string, busKey: string, ends = 1e15) =>
      entryOf('satellite.enrol', {
        id,
        name: id,
        tags: {},
        access: 'both',
        busKey,
        httpsKey: '',
        details: { ends },
        nkey: u1,
      });
    const renew = (id: string, from: string, busKey: string, nkey = u2) =>
      entryOf('satellite.renew', { id, from, busKey, nkey, details: { ends: 2e15 } });
    const renewed = (id: string, busKey: string) => entryOf('satellite.renewed', { id, busKey });
    const results = (...entries: ReturnType<typeof enrol>[]) => m.apply(entries).map((o) => o.result);
    t.match(results(entryOf('schema.activate', { version: 5 }), enrol('s1', 'key1'), renew('s1', 'key1', 'key2')), [
      { ok: true },
      { ok: true },
      { code: 'not-active' },
    ]);
    m.apply([entryOf('schema.activate', { version: 6 })]);
    t.match(
      results(
        renew('nobody', 'key1', 'key2'),
        renew('s1', 'other', 'key2'),
        renew('s1', 'key1', 'key1'),
        renew('s1', 'key1', 'key2', u1),
      ),
      [{ code: 'not-found' }, { code: 'denied' }, { code: 'exists' }, { code: 'exists' }],
    );
    t.match(
      results(
        renewed('s1', 'key2'),
        renew('s1', 'key1', 'key2'),
        renew('s1', 'key1', 'key3', u3),
        renewed('s1', 'key2'),
      ),
      [{ code: 'denied' }, { ok: true }, { ok: true }, { code: 'denied' }],
      'the last request counts',
    );
    const withNkey = (id: string, key: string) =>
      entryOf('satellite.enrol', {
        id,
        name: id,
        tags: {},
        access: 'both',
        busKey: key,
        httpsKey: '',
        details: { ends: 1e15 },
        nkey: u3,
      });
    t.match(
      results(withNkey('s3', 'key30'), withNkey('s1', 'key1')),
      [{ code: 'exists' }, { code: 'exists' }],
      "the nkey of a pending renewal is nobody else's, nor twice its own",
    );
    t.match(m.db.prepare('SELECT bus_key, nkey FROM satellites').all(), [{ bus_key: 'key1', nkey: u1 }]);
    const version = m.db.prepare('SELECT version FROM satellites').pluck().get();
    t.match(
      results(renewed('s1', 'key3'), renewed('s1', 'key3')),
      [{ ok: true }, { ok: true }],
      'once more is no harm',
    );
    t.match(
      m.db.prepare('SELECT bus_key, nkey, details, version FROM satellites').all(),
      [{ bus_key: 'key3', nkey: u3, details: '{"ends":2000000000000000}', version }],
      "a renewal is nobody's edit",
    );
    t.equal(m.db.prepare('SELECT count(*) FROM satellite_renewals').pluck().get(), 0);
    t.match(
      results(renew('s1', 'key3', 'key1'), renew('s1', 'key3', 'key4', u1)),
      [{ code: 'denied' }, { code: 'denied' }],
      'keys that were renewed stay void',
    );
    m.apply([renew('s1', 'key3', 'key4'), entryOf('satellite.revoke', { id: 's1' })]);
    t.same(
      m.db.prepare('SELECT key FROM revoked_keys ORDER BY key').pluck().all(),
      [u1, u2, u3, 'key1', 'key3', 'key4'].sort(),
      'a revocation ends both',
    );
    t.match(results(renewed('s1', 'key4'), renew('s1', 'key3', 'key5')), [
      { code: 'denied', message: /revoked/ },
      { code: 'denied' },
    ]);
    const other = (busKey: string, ends: number) =>
      entryOf('satellite.enrol', {
        id: 's2',
        name: 's2',
        tags: {},
        access: 'both',
        busKey,
        httpsKey: '',
        details: { ends },
      });
    t.match(
      results(other('key6', 5), other('key7', 1e15), other('key8', 1e15), other('key6', 1e15)),
      [{ ok: true }, { ok: true }, { code: 'exists' }, { code: 'exists' }],
      'one whose certificate has ended may enrol with another key',
    );
    t.ok(m.db.prepare("SELECT 1 FROM revoked_keys WHERE key = 'key6'").get() !== undefined);
    m.apply([
      entryOf('satellite.renew', { id: 's2', from: 'key7', busKey: 'key9', nkey: 'UD'.padEnd(56, 'A'), details: {} }),
      entryOf('satellite.delete', { id: 's2' }),
    ]);
    t.equal(
      m.db.prepare('SELECT count(*) FROM satellite_renewals').pluck().get(),
      0,
      'nothing is left of one that was deleted',
    );
    t.same(atOnce(verifySteps(m.db)), []);
  },
);

t.test(
  'from schema 4 on a key that was revoked is void for good, by any id, and the history says who and why',
  async (t) => {
    const m = started();
    const [nkey, other] = ['UA', 'UB'].map((k) => k.padEnd(56, 'A'));
    const enrol = (id: string, busKey: string, by?: string) =>
      entryOf('satellite.enrol', {
        id,
        name: id,
        tags: {},
        access: 'both',
        busKey,
        httpsKey: '',
        details: {},
        ...(by === undefined ? {} : { nkey: by }),
      });
    const revoke = (id: string) => entryOf('satellite.revoke', { id, reason: 'stolen' });
    m.apply([
      enrol('before', 'key0'),
      entryOf('satellite.revoke', { id: 'before' }),
      enrol('n1', 'node'),
      entryOf('satellite.revoke', { id: 'n1' }),
      entryOf('schema.activate', { version: 4 }),
    ]);
    t.match(
      m.apply([enrol('before', 'key0'), enrol('n1', 'node')]).map((o) => o.result),
      [{ code: 'denied', message: /revoked for good/ }, { ok: true }],
      'those revoked before count; of a node there is no key',
    );
    t.match(
      m.apply([enrol('s1', 'key1', nkey), enrol('s2', 'key2', nkey), enrol('s2', 'key2', other)]).map((o) => o.result),
      [{ ok: true }, { code: 'exists', message: /nkey/ }, { ok: true }],
    );
    m.apply([revoke('s1'), entryOf('satellite.delete', { id: 's1' })]);
    t.match(
      m
        .apply([enrol('s1', 'key1'), enrol('s3', 'key1'), enrol('s3', 'key3', nkey), enrol('s1', 'key9')])
        .map((o) => o.result),
      [{ code: 'denied' }, { code: 'denied' }, { code: 'denied' }, { ok: true }],
    );
    m.apply([
      entryOf('satellite.states', {
        states: [
          { id: 's2', state: 'unreachable', at: 2e6, reason: 'silent for 30 s' },
          { id: 's2', state: 'healthy', at: 3e6 },
        ],
      }),
      revoke('s2'),
    ]);
    t.match(
      m.db.prepare("SELECT state, actor, reason FROM satellite_states WHERE satellite = 's2' ORDER BY position").all(),
      [
        { state: 'enrolled', actor: /./, reason: 'enrolled' },
        { state: 'unreachable', reason: 'silent for 30 s' },
        { state: 'revoked', reason: 'stolen' },
      ],
      'two observations of one in one command are one',
    );
    t.same(atOnce(verifySteps(m.db)), []);
  },
);
