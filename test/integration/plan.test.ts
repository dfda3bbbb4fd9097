import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { readJournal } from '../../installer/plan/journal.ts';
import type { PlanEvent } from '../../installer/plan/types.ts';
import { OPERATION, ends, exit, group, leaf, prepare, until, waits } from './support/plan-site.ts';

function states(events: PlanEvent[], id: string): string[] {
  return events.flatMap((e) => (e.type === 'leaf' && e.id === id ? [e.skipped === true ? 'skipped' : e.state] : []));
}
t.test('a plan runs over two nodes, and again finds everything done', async (t) => {
  const s = await prepare(t);
  s.plan(
    group('root', 'serial', [
      group('all', 'parallel', [leaf('n1', 'slow-a'), leaf('n2', 'slow-a')]),
      leaf('n2', 'quick-b'),
    ]),
  );
  const executors = ['n1', 'n2'].map((n) => s.executor(n));
  t.equal(await exit(s.coordinator()), 0);
  t.same(await Promise.all(executors.map(exit)), [0, 0], 'the executors have been asked to finish');
  t.same(s.trace('n2'), ['start slow-a', 'end slow-a', 'start quick-b', 'end quick-b']);
  t.same(states(s.events(), 'slow-a/n1'), ['in progress', 'completed']);
  t.ok(s.events().some((e) => e.type === 'waiting' && e.for === 'step 2 of slow-a' && e.cause === 'not there yet'));
  t.ok(
    s.events().some((e) => e.type === 'log' && e.line.includes('hello slow-a from n1')),
    'the input came from a procedure',
  );
  t.ok(s.events().some((e) => e.type === 'progress' && e.fraction === 1));
  t.match(ends(s.events()), [{ ok: true }]);
  const log = join(s.data('n2'), 'operations', OPERATION, 'n2.log');
  t.equal(statSync(log).mode & 0o777, 0o600);
  t.match(readFileSync(log, 'utf8'), /Z slow-a\/n2: do took \d+ ms/);

  s.again();
  s.executor('n1');
  s.executor('n2');
  t.equal(await exit(s.coordinator()), 0);
  t.same(states(s.events(), 'slow-a/n1'), ['in progress', 'skipped'], 'the events of the first run were put aside');
  t.equal(s.trace('n2').length, 4);
});

t.test('a failed leaf lets its siblings finish, starts nothing after it, and is resumed', async (t) => {
  const s = await prepare(t);
  s.plan(
    group('root', 'serial', [
      group('all', 'parallel', [leaf('n1', 'slow-a'), leaf('n2', 'fails-x')]),
      leaf('n1', 'quick-b'),
    ]),
  );
  s.executor('n1');
  s.executor('n2');
  t.equal(await exit(s.coordinator()), 10);
  t.same(states(s.events(), 'slow-a/n1'), ['in progress', 'completed']);
  t.same(states(s.events(), 'quick-b/n1'), []);
  const [end] = ends(s.events());
  t.match(end, {
    ok: false,
    error: {
      code: 'test-failure',
      host: 'n2',
      message: 'The thing of fails-x is broken.',
      remedy: /^Mend it\. .*n2\.log on n2/,
    },
    log: { node: 'n2' },
  });
  t.equal(readJournal(join(s.data('n1'), 'operations', OPERATION, 'journal.jsonl')).get('fails-x/n2')?.state, 'failed');

  writeFileSync(join(s.data('n2'), 'mended'), '');
  s.again();
  s.executor('n1');
  s.executor('n2');
  t.equal(await exit(s.coordinator()), 0);
  t.same(states(s.events(), 'slow-a/n1'), ['in progress', 'skipped']);
  t.same(states(s.events(), 'quick-b/n1'), ['in progress', 'completed']);
});

t.test('a bug in a phase is one sentence that names step and host', async (t) => {
  const s = await prepare(t);
  s.plan(group('root', 'serial', [leaf('n2', 'crashes-x')]));
  s.executor('n2');
  t.equal(await exit(s.coordinator()), 10);
  t.match(ends(s.events())[0]?.error, {
    code: 'internal',
    host: 'n2',
    message: 'Test crashes-x failed: cannot read properties of undefined.',
  });
});

t.test('kill -9 of an executor: said, waited for, and the leaf is completed by the next one', async (t) => {
  const s = await prepare(t);
  s.plan(group('root', 'serial', [leaf('n2', 'slow-long'), leaf('n1', 'quick-b')]));
  s.executor('n1');
  const victim = s.executor('n2');
  const coordinator = s.coordinator();
  await until('slow-long', () => s.trace('n2').includes('start slow-long'));
  const before = waits(s.events());
  victim.kill('SIGKILL');
  await until('the wait', () => waits(s.events()).slice(before.length).includes('connection refused'));
  s.executor('n2');
  t.equal(await exit(coordinator), 0);
  t.same(s.trace('n2'), ['start slow-long', 'start slow-long', 'end slow-long']);
  t.same(states(s.events(), 'slow-long/n2'), ['in progress', 'completed']);
});

t.test('kill -9 of the coordinator: the phase goes on, the next coordinator attaches to it', async (t) => {
  const s = await prepare(t);
  s.plan(group('root', 'serial', [leaf('n2', 'quick-0'), leaf('n2', 'held-a'), leaf('n1', 'quick-b')]));
  s.executor('n1');
  s.executor('n2');
  const victim = s.coordinator();
  await until('held-a', () => s.trace('n2').includes('start held-a'));
  victim.kill('SIGKILL');
  t.equal(await exit(victim), 'SIGKILL');
  const steps = (): number => s.events().filter((e) => e.type === 'waiting' && e.for.endsWith('of held-a')).length;
  const before = steps();
  const next = s.coordinator();
  await until('the next one to tell of its steps', () => steps() > before);
  writeFileSync(join(s.data('n2'), 'released'), '');
  t.equal(await exit(next), 0);
  t.same(s.trace('n2'), ['start quick-0', 'end quick-0', 'start held-a', 'end held-a'], 'nothing ran twice');
  t.equal(ends(s.events()).length, 1);
});

t.test('uninstall undoes each leaf', async (t) => {
  const s = await prepare(t);
  writeFileSync(join(s.data('n1'), 'done-quick-a'), '');
  s.plan(group('root', 'serial', [leaf('n1', 'quick-a')]), 'uninstall');
  s.executor('n1');
  t.equal(await exit(s.coordinator()), 0);
  t.same(s.trace('n1'), ['undo quick-a']);
  t.same(states(s.events(), 'quick-a/n1'), ['in progress', 'rolled back']);
});

t.test(
  'a coordinator that is killed at its very end and started again tells the end, and needs no executors',
  async (t) => {
    const s = await prepare(t);
    s.plan(group('root', 'serial', [leaf('n2', 'fails-x')]));
    s.executor('n2');
    t.equal(await exit(s.coordinator()), 10);
    const told = s.events();
    t.equal(await exit(s.coordinator()), 10, 'after the end: the same outcome');
    t.same(s.events(), told);

    const path = join(s.data('n1'), 'operations', OPERATION, 'events.jsonl');
    writeFileSync(
      path,
      readFileSync(path, 'utf8')
        .split('\n')
        .filter((line) => !line.includes('"end"'))
        .join('\n'),
    );
    const before = Date.now();
    t.equal(await exit(s.coordinator()), 10);
    t.comment(`told the end after ${Date.now() - before} ms`);
    const [end] = ends(told);
    t.same(ends(s.events()), [{ ...end, at: ends(s.events())[0]?.at }]);
  },
);
