import t from 'tap';
import { loadKinds, loadSchema } from '../../src/store/kind.ts';
import { openMachine } from '../../src/store/machine.ts';
import { atOnce, verifySteps } from '../../src/store/verify.ts';
import { entryOf, memoryDatabase } from '../support/store-temp.ts';

const kinds = await loadKinds();
const schema = await loadSchema();
const FAR = 1e15;
const hex = (n: number): string => n.toString(16).padStart(64, '0');

/** A database with eva, who has two tokens and two sessions, and root, who has one session. */
function instance() {
  const m = openMachine(memoryDatabase(), { kinds, schema, keepLog: true });
  const run = (kind: string, args: unknown): unknown => m.apply([entryOf(kind, args)])[0]?.result;
  const changes = (): { resource: string; before: unknown; after: unknown }[] =>
    JSON.parse(
      m.db.prepare<[], string>('SELECT changes FROM audit ORDER BY position DESC LIMIT 1').pluck().get() ?? '',
    ) as ReturnType<typeof changes>;
  run('schema.activate', { version: schema.at(-1)?.version ?? 0 });
  for (const name of ['root', 'eva']) {
    run('user.create', { name, role: 'admin', passwordHash: 'h', mustChangePassword: false });
  }
  for (const id of ['t1', 't2']) {
    run('token.create', {
      id,
      owner: 'eva',
      name: id,
      hash: hex(id === 't1' ? 101 : 102),
      scope: ['read'],
      expiresAt: FAR,
    });
  }
  for (const [n, user] of [
    [1, 'eva'],
    [2, 'eva'],
    [3, 'root'],
  ] as const) {
    run('session.create', { id: hex(n), user, address: '10.0.0.1', expiresAt: FAR });
  }
  return { m, run, changes };
}
const SESSIONS = [1, 2].map((n) => ({ resource: `session/${hex(n)}`, before: { user: 'eva' }, after: null }));
const TOKENS = ['t1', 't2'].map((id) => ({
  resource: `token/${id}`,
  before: { owner: 'eva', name: id, scope: ['read'], expiresAt: FAR },
  after: null,
}));

t.test('what ends with a user, or with what is done to it, is in the audit log', async (t) => {
  const ways: [string, unknown, unknown[]][] = [
    ['user.delete', { name: 'eva' }, [...TOKENS, ...SESSIONS]],
    ['user.update', { name: 'eva', disabled: true }, SESSIONS],
    ['user.update', { name: 'eva', passwordHash: 'other' }, SESSIONS],
    ['user.update', { name: 'eva', role: 'viewer' }, []],
    ['user.password', { name: 'eva', passwordHash: 'other', mustChangePassword: true }, SESSIONS],
    [
      'user.recover',
      {
        name: 'eva',
        passwordHash: 'other',
        at: 1e14,
        token: { id: 'cli', name: 'cli', hash: hex(9), scope: [], expiresAt: FAR },
      },
      SESSIONS,
    ],
    ['session.delete', { user: 'eva' }, SESSIONS.slice(1)],
  ];
  for (const [kind, args, ended] of ways) {
    const { m, run, changes } = instance();
    t.match(run(kind, args), { ok: true }, kind);
    const [first, ...rest] = changes();
    if (kind.startsWith('user.')) {
      t.equal(first?.resource, 'user/eva', `${kind}: by whose name it is found`);
    }
    t.same(rest, ended, `${kind} ${JSON.stringify(args)}`);
    t.notMatch(JSON.stringify(changes()), new RegExp(`${hex(101)}|${hex(102)}`), 'no hash of a token');
    t.same(atOnce(verifySteps(m.db)), []);
  }
});

t.test('so is the oldest session of more than fifty, and a session that has expired is not', async (t) => {
  const { run, changes } = instance();
  run('session.create', { id: hex(4), user: 'eva', address: '10.0.0.1', expiresAt: 1 });
  for (let n = 10; n < 58; n += 1) {
    run('session.create', { id: hex(n), user: 'eva', address: '10.0.0.1', expiresAt: FAR });
  }
  t.match(changes(), [{ resource: `session/${hex(57)}` }]);
  t.equal(changes().length, 1, 'fifty');
  run('session.create', { id: hex(58), user: 'eva', address: '10.0.0.1', expiresAt: FAR });
  t.match(changes(), [{ resource: `session/${hex(58)}`, before: null }, SESSIONS[0]]);
  t.equal(changes().length, 2);
});
