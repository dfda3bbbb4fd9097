import { PassThrough } from 'node:stream';
import { mock } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import t from 'tap';
import type { Plan, PlanEvent, PlanGroup, PlanLeaf } from '../../installer/plan/types.ts';
import type { Io } from '../../src/cli/command.ts';
import { chooseReporter } from '../../src/cli/reporters/choose.ts';
import { plainReporter } from '../../src/cli/reporters/plain.ts';

const leaf = (node: string, phase: string, title: string): PlanLeaf => ({
  kind: 'leaf',
  id: `${phase}/${node}`,
  phase,
  node,
  title,
});
const root: PlanGroup = {
  kind: 'group',
  id: 'root',
  title: 'install',
  order: 'serial',
  children: [
    {
      kind: 'group',
      id: 'prepare',
      title: 'prepare the machines',
      order: 'parallel',
      children: [leaf('n1', 'images', 'Import images'), leaf('n2', 'images', 'Import images')],
    },
    leaf('n1', 'etcd', 'Start etcd'),
    leaf('n1', 'late', 'Late thing'),
  ],
};
const plan = {
  id: 'install-1',
  operation: 'install',
  root,
  spec: { nodes: [{ name: 'n1' }, { name: 'n2' }] },
} as unknown as Plan;
const at = (s: number): string => new Date(1_800_000_000_000 + s * 1000).toISOString();
const EVENTS: PlanEvent[] = [
  { at: at(0), type: 'plan', plan },
  { at: at(0), type: 'leaf', id: 'images/n1', state: 'in progress' },
  { at: at(0), type: 'leaf', id: 'images/n2', state: 'in progress' },
  { at: at(1), type: 'waiting', id: 'images/n1', for: 'containerd', cause: 'connection refused' },
  { at: at(2), type: 'log', id: 'images/n1', node: 'n1', line: 'hello' },
  { at: at(3), type: 'leaf', id: 'images/n2', state: 'completed', ms: 20, skipped: true },
  { at: at(8.1), type: 'leaf', id: 'images/n1', state: 'completed', ms: 8100 },
  { at: at(8.1), type: 'leaf', id: 'etcd/n1', state: 'in progress' },
  {
    at: at(20),
    type: 'leaf',
    id: 'etcd/n1',
    state: 'failed',
    ms: 11_900,
    error: { code: 'x', message: 'etcd did not start: disk full.', host: 'n1', remedy: 'Free some space.' },
  },
  {
    at: at(20),
    type: 'end',
    ok: false,
    ms: 20_000,
    error: { code: 'x', message: 'etcd did not start: disk full.', host: 'n1' },
  },
];

async function show(
  choice: { json: boolean; isTTY: boolean },
  events: PlanEvent[],
  size: { columns?: number; rows?: number } = {},
): Promise<string> {
  const stdout = Object.assign(new PassThrough(), {
    isTTY: choice.isTTY,
    columns: 100,
    rows: 40,
    ...size,
  }) as unknown as Io['stdout'] & PassThrough;
  let text = '';
  stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const reporter = await chooseReporter({ ...choice, stdout });
  for (const event of events) {
    reporter.event(event);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await reporter.finish();
  return stripVTControlCharacters(text);
}

t.test('plain: one line for each change, then the time by phase', async (t) => {
  t.equal(
    await show({ json: false, isTTY: false }, EVENTS),
    `[   0.0s] n1  Import images …
[   0.0s] n2  Import images …
[   3.0s] n2  Import images … was done already
[   8.1s] n1  Import images … done (8.1 s)
[   8.1s] n1  Start etcd …
[  20.0s] n1  Start etcd … FAILED (11.9 s): etcd did not start: disk full. Free some space.

Time by phase, longest first (phases of different nodes overlap; 20.0 s in all):
  Start etcd         11.9 s   n1 11.9 s
  Import images       8.1 s   n1 8.1 s
`,
  );
});

t.test('plain: what is still at work is told every ten seconds, with what it waits for', async (t) => {
  mock.timers.enable({ apis: ['setInterval', 'Date'], now: 1_800_000_000_000 });
  t.teardown(() => mock.timers.reset());
  const stdout = new PassThrough();
  const reporter = plainReporter(stdout);
  for (const event of EVENTS.slice(0, 4)) {
    mock.timers.setTime(Date.parse(event.at));
    reporter.event(event);
  }
  mock.timers.tick(12_000);
  await reporter.finish();
  mock.timers.tick(30_000);
  t.match(String(stdout.read()).split('\n'), [
    /./,
    /./,
    /n1 {2}Import images … still at it for 1\d\.\d s, waiting for containerd \(connection refused\)$/,
    /n2 {2}Import images … still at it for 1\d\.\d s$/,
    /^$/,
  ]);
});

t.test('json: the events as they are', async (t) => {
  t.same(
    (await show({ json: true, isTTY: false }, EVENTS))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown),
    EVENTS,
  );
});

t.test('terminal: groups, waits, failures, and what was not come to', async (t) => {
  const text = await show({ json: false, isTTY: true }, EVENTS);
  t.match(text, 'Import images (n1): waiting for containerd (connection refused)');
  t.match(text, /✔ prepare the machines 2\/2 8\.1 s\n/);
  t.match(text, /✖ Start etcd \(n1\): etcd did not start: disk full\.\n/);
  t.match(text, /⚠ Late thing \(n1\)\n/);
  t.match(text, /\n\nTime by phase, longest first .*\n {2}Start etcd +11\.9 s/);
});

t.test('terminal: few rows keep groups closed, few columns cut the lines', async (t) => {
  const text = await show({ json: false, isTTY: true }, EVENTS.slice(0, 4), { rows: 10, columns: 40 });
  t.match(text, /prepare the machines 0\/2: n1 Import…/);
  t.notMatch(text, 'Import images (n1)');
});

t.test('terminal: watching may end before the run does', async (t) => {
  const text = await show({ json: false, isTTY: true }, EVENTS.slice(0, 4));
  t.notMatch(text, 'Time by phase');
});
