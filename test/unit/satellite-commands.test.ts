import t, { type Test } from 'tap';
import type { Machine } from '../../src/store/machine.ts';
import { atOnce, verifySteps } from '../../src/store/verify.ts';
import { entryOf } from '../support/store-temp.ts';
import { HASH, started, user } from './support/state-machine.ts';

/** A command that enrols a satellite. */
const enrolment = (id: string, busKey: string, more: Record<string, unknown> = {}) =>
  entryOf('satellite.enrol', {
    id,
    name: id,
    tags: {},
    access: 'both',
    busKey,
    httpsKey: '',
    details: {},
    ...more,
  });

t.test('satellites: enrolment by token, collision, states in batches, revocation', async (t) => {
  const m = started();
  const enrol = (id: string, busKey: string, token?: string) =>
    enrolment(id, busKey, { tags: { own: '1' }, httpsKey: 'k', ...(token === undefined ? {} : { token }) });
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

/** A satellite whose certificate has ended, and what is left when it is deleted. */
function checkEnded(t: Test, m: Machine): void {
  const other = (busKey: string, ends: number) => enrolment('s2', busKey, { details: { ends } });
  t.match(
    m.apply([other('key6', 5), other('key7', 1e15), other('key8', 1e15), other('key6', 1e15)]).map((o) => o.result),
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
}

t.test(
  'from schema 6 on a satellite renews its keys: both hold until it has come with the new ones, and then the old ' +
    'are void',
  async (t) => {
    const m = started();
    const [u1, u2, u3] = ['UA', 'UB', 'UC'].map((k) => k.padEnd(56, 'A'));
    const renew = (id: string, from: string, busKey: string, nkey = u2) =>
      entryOf('satellite.renew', { id, from, busKey, nkey, details: { ends: 2e15 } });
    const renewed = (id: string, busKey: string) => entryOf('satellite.renewed', { id, busKey });
    const results = (...entries: Buffer[]) => m.apply(entries).map((o) => o.result);
    t.match(
      results(
        entryOf('schema.activate', { version: 5 }),
        enrolment('s1', 'key1', { details: { ends: 1e15 }, nkey: u1 }),
        renew('s1', 'key1', 'key2'),
      ),
      [{ ok: true }, { ok: true }, { code: 'not-active' }],
    );
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
    t.match(
      results(
        enrolment('s3', 'key30', { details: { ends: 1e15 }, nkey: u3 }),
        enrolment('s1', 'key1', { details: { ends: 1e15 }, nkey: u3 }),
      ),
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
    checkEnded(t, m);
    t.same(atOnce(verifySteps(m.db)), []);
  },
);

t.test(
  'from schema 4 on a key that was revoked is void for good, by any id, and the history says who and why',
  async (t) => {
    const m = started();
    const [nkey, other] = ['UA', 'UB'].map((k) => k.padEnd(56, 'A'));
    const enrol = (id: string, busKey: string, by?: string) =>
      enrolment(id, busKey, by === undefined ? {} : { nkey: by });
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
