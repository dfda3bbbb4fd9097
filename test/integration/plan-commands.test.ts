import { join } from 'node:path';
import { execa } from 'execa';
import t, { type Test } from 'tap';
import { readTls } from '../../installer/plan/roles.ts';
import { executorClient } from '../../installer/plan/rpc.ts';
import { OPERATION, exit, group, leaf, prepare, until, type Site } from './support/plan-site.ts';

const MAIN = join(import.meta.dirname, '../../src/main.ts');
async function terrarium(...args: string[]): Promise<{ exitCode: number | undefined; stdout: string; stderr: string }> {
  const { exitCode, stdout, stderr } = await execa(process.execPath, [MAIN, ...args], { reject: false });
  return { exitCode, stdout, stderr };
}

/** The executor of n2: a second one finds its port taken, it refuses an unknown phase, and it ends when told to. */
async function executorAnswers(t: Test, s: Site): Promise<void> {
  const [, n2] = s.nodes;
  if (n2 === undefined) {
    throw new Error('no n2');
  }

  const executor = execa(
    process.execPath,
    [
      MAIN,
      'executor',
      '--operation',
      OPERATION,
      '--config',
      join(s.data('n2'), 'operations', OPERATION, 'executor.json'),
    ],
    { reject: false },
  );
  const client = executorClient({
    operation: OPERATION,
    node: n2,
    port: s.spec.ports.executor,
    tls: readTls(join(s.data('n1'), 'pki')),
  });
  t.teardown(() => client.close());
  await until('n2 to answer', () =>
    client.state().then(
      () => true,
      () => false,
    ),
  );
  const second = await terrarium(
    'executor',
    '--operation',
    OPERATION,
    '--config',
    join(s.data('n2'), 'operations', OPERATION, 'executor.json'),
  );
  t.equal(second.exitCode, 1);
  t.match(
    second.stderr,
    /^Error: n2: The executor cannot listen on 127\.0\.0\.12:\d+: another program has it\. Free the port/,
  );
  await t.rejects(
    client.leaf({ leaf: 'a', phase: 'no-such-phase', verb: 'do', input: null }, () => undefined),
    { code: 'unknown-phase', host: 'n2' },
  );
  await client.finish();
  t.equal((await executor).exitCode, 0);
}

/** Plans that a coordinator cannot or need not carry out. */
async function coordinatorJudges(t: Test, s: Site): Promise<void> {
  const none = await terrarium('operation', 'status', '--data', s.data('n1'), '--operation', 'install-none');
  t.equal(none.exitCode, 1);
  t.match(none.stderr, 'There has been no operation install-none on this machine.');

  s.plan(group('root', 'serial', [leaf('n1', 'no-such-phase')]));
  const broken = await terrarium('coordinator', '--operation', OPERATION, '--data', s.data('n1'));
  t.equal(broken.exitCode, 1);
  t.match(broken.stderr, /no phase called 'no-such-phase'/);

  s.plan(group('root', 'serial', []));
  t.equal((await terrarium('coordinator', '--operation', OPERATION, '--data', s.data('n1'))).exitCode, 0);
  t.equal((await terrarium('operation', 'follow', '--data', s.data('n1'))).exitCode, 0);
}

/** An operation that fails, followed from its begin, from its end, and as text. */
async function followFails(t: Test, s: Site): Promise<void> {
  s.again();
  s.plan(group('root', 'serial', [leaf('n2', 'fails-x'), leaf('n1', 'quick-b')]));
  s.executor('n2');
  t.equal(await exit(s.coordinator()), 10);
  const followed = await terrarium('operation', 'follow', '--data', s.data('n1'), '--operation', OPERATION, '--json');
  t.equal(followed.exitCode, 1);
  const events = followed.stdout.split('\n').map((line) => JSON.parse(line) as { type: string });
  t.match(events[0], { type: 'plan' });
  t.match(events.at(-1), { type: 'end', ok: false, error: { code: 'test-failure', host: 'n2' } });
  const later = await terrarium(
    'operation',
    'follow',
    '--data',
    s.data('n1'),
    '--operation',
    OPERATION,
    '--json',
    '--from',
    String(events.length - 1),
  );
  t.equal(later.stdout.split('\n').length, 1);
  const plain = await terrarium('operation', 'follow', '--data', s.data('n1'));
  t.equal(plain.exitCode, 1);
  t.match(plain.stdout, /n2 {2}Test fails-x … FAILED/);
  t.match(
    plain.stderr,
    /^Error: n2: The thing of fails-x is broken\. Mend it\. The file for support is .*n2\.log on n2\.$/,
  );
}

/** What both nodes say of the operation that has failed. */
async function statusTells(t: Test, s: Site): Promise<void> {
  const status = JSON.parse(
    (await terrarium('operation', 'status', '--data', s.data('n1'), '--json')).stdout,
  ) as unknown;
  t.match(status, {
    id: OPERATION,
    role: 'coordinator',
    state: 'failed',
    leaves: [
      { id: 'fails-x/n2', state: 'failed', title: 'Test fails-x' },
      { id: 'quick-b/n1', state: 'not started' },
    ],
  });
  t.match(
    (await terrarium('operation', 'status', '--data', s.data('n2'))).stdout,
    /Operation install-0badcafe: failed \(this node carries out steps/,
  );
}

t.test('the commands of the roles, and how an operation is looked at', async (t) => {
  const s = await prepare(t);
  await executorAnswers(t, s);
  await coordinatorJudges(t, s);
  await followFails(t, s);
  await statusTells(t, s);
});
