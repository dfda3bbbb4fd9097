import t from 'tap';
import { executorClient } from '../../installer/plan/rpc.ts';
import { createAuthority, issue } from '../../src/pki/authority.ts';
import { OPERATION, ends, exit, group, leaf, prepare, until, waits } from './support/plan-site.ts';

t.test(
  'a machine that falls silent in the middle of a step is noticed, and taken up again when it is back',
  async (t) => {
    const s = await prepare(t);
    s.plan(group('root', 'serial', [leaf('n2', 'slow-long')]));
    const frozen = s.executor('n2');
    const coordinator = s.coordinator({ GONE_MS: '60000' });
    await until('slow-long', () => s.trace('n2').includes('start slow-long'));
    const before = waits(s.events());
    frozen.kill('SIGSTOP');
    await until('the wait', () => waits(s.events()).length > before.length, 20_000);
    frozen.kill('SIGCONT');
    t.equal(await exit(coordinator), 0);
    t.same(s.trace('n2'), ['start slow-long', 'end slow-long']);
  },
);

t.test('an executor that stays away fails the plan with a sentence that names its host', async (t) => {
  const s = await prepare(t);
  s.plan(group('root', 'serial', [leaf('n2', 'quick-a')]));
  t.equal(await exit(s.coordinator({ GONE_MS: '1000' })), 10);
  t.match(ends(s.events())[0]?.error, {
    code: 'executor-unreachable',
    host: 'n2',
    message: /executor on n2 \(127\.0\.0\.12:\d+\) has not been reached for 1 s: connection refused/,
  });
});

t.test('an executor answers nobody but control planes of its cluster, and one operation only', async (t) => {
  const s = await prepare(t);
  s.executor('n2');
  const node = s.nodes[1];
  if (node === undefined) {
    throw new Error('no n2');
  }
  const tls = async (
    authority: typeof s.authority,
    organization: string,
    commonName: string,
  ): Promise<{ ca: string; cert: string; key: string }> => ({
    ca: s.authority.cert,
    ...(await issue(authority, { commonName, sans: [], usages: ['client'], days: 1, organization }, new Date())),
  });
  const client = async (
    operation: string,
    authority: typeof s.authority,
    organization: string,
    name = 'n1',
  ): Promise<ReturnType<typeof executorClient>> => {
    const c = executorClient({
      operation,
      node,
      port: s.spec.ports.executor,
      tls: await tls(authority, organization, name),
    });
    t.teardown(() => c.close());
    return c;
  };
  const good = await client(OPERATION, s.authority, 'terrarium:node');
  await until('n2 to answer', () =>
    good.state().then(
      () => true,
      () => false,
    ),
  );
  t.match(await good.state(), { operation: OPERATION, node: 'n2', running: [] });
  await t.rejects((await client(OPERATION, s.authority, 'terrarium:user')).state(), {
    name: 'Failure',
    code: 'not-allowed',
  });
  await t.rejects(
    (await client(OPERATION, s.authority, 'terrarium:node', 'n2')).procedure('greet', { name: 'n2' }, () => undefined),
    { name: 'Failure', code: 'not-allowed' },
    'a worker',
  );
  await t.rejects((await client(OPERATION, await createAuthority('c1', new Date()), 'terrarium:node')).state());
  await t.rejects(
    (await client('install-00000000', s.authority, 'terrarium:node')).leaf(
      { leaf: 'a', phase: 'quick-a', verb: 'do', input: null },
      () => undefined,
    ),
    { code: 'operation-running' },
  );
  t.same(s.trace('n2'), []);
});
