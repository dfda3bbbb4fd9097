import t from 'tap';
import { phaseTimes } from '../bench/phases.ts';
import { replaceSection, wrapProse } from '../bench/report.ts';
import { spread, timed } from '../bench/samples.ts';

const leaf = (id: string, phase: string) => ({
  kind: 'leaf',
  id,
  phase,
  node: id.split('/')[1],
  title: `the ${phase}`,
});
const plan = {
  spec: { nodes: [{}, {}] },
  root: {
    kind: 'group',
    id: 'all',
    order: 'serial',
    children: [
      {
        kind: 'group',
        id: 'p',
        order: 'parallel',
        children: [leaf('p/a/images', 'images'), leaf('p/b/images', 'images')],
      },
      leaf('x/a/ready', 'ready'),
    ],
  },
};
const at = (s: number): string => new Date(1_000_000 + s * 1000).toISOString();

t.test('phases of an install out of its events', async (t) => {
  const events = [
    { type: 'preflight', at: at(2) },
    { type: 'plan', at: at(3), plan },
    { type: 'leaf', at: at(3), id: 'p/a/images', state: 'in progress' },
    { type: 'leaf', at: at(4), id: 'p/b/images', state: 'in progress' },
    { type: 'leaf', at: at(6), id: 'p/a/images', state: 'completed' },
    { type: 'leaf', at: at(7), id: 'p/b/images', state: 'completed' },
    { type: 'leaf', at: at(9), id: 'x/a/ready', state: 'in progress' },
    { type: 'leaf', at: at(10), id: 'x/a/ready', state: 'completed' },
  ];
  t.same(phaseTimes(`${events.map((e) => JSON.stringify(e)).join('\n')}\n`, 1_000_000), [
    {
      phase: 'before',
      title: 'connect, copy the executable, check the machines',
      nodes: 2,
      from: 0,
      to: 3000,
      busy: 3000,
    },
    { phase: 'images', title: 'the images', nodes: 2, from: 3000, to: 7000, busy: 4000 },
    { phase: 'ready', title: 'the ready', nodes: 1, from: 9000, to: 10_000, busy: 1000 },
  ]);
  t.throws(() => phaseTimes('', 0), { message: 'the install told no plan' });
});

t.test('a measurement replaces its own figures on the page and nothing else', async (t) => {
  const page = replaceSection(replaceSection('# Page\n', 'a', 'A', 'one'), 'b', 'B', 'two');
  t.equal(
    page,
    '# Page\n\n## A\n\n<!-- bench:a -->\none\n<!-- /bench:a -->\n\n## B\n\n<!-- bench:b -->\ntwo\n<!-- /bench:b -->\n',
  );
  const edited = page.replace('## A', '## A, renamed');
  t.equal(replaceSection(edited, 'a', 'A', 'three'), edited.replace('one', 'three'));
});

t.test('percentiles are samples that were taken, by the nearest rank', (t) => {
  const hundred = Array.from({ length: 100 }, (_, i) => 100 - i);
  t.same(spread(hundred), { p50: 50, p95: 95, p99: 99, max: 100 });
  t.same(spread([7]), { p50: 7, p95: 7, p99: 7, max: 7 });
  t.same(spread([3, 1, 2]), { p50: 2, p95: 3, p99: 3, max: 3 });
  t.end();
});

t.test('so many are timed, and never more at once than wanted', async (t) => {
  let now = 0;
  let most = 0;
  const samples = await timed(20, 3, async () => {
    most = Math.max(most, (now += 1));
    await new Promise(setImmediate);
    now -= 1;
  });
  t.equal(samples.length, 20);
  t.equal(most, 3);
});

t.test('prose of a report is broken at 120 columns, rows of its tables are not', async (t) => {
  const row = `| ${'x'.repeat(130)} |`;
  const prose = Array.from({ length: 40 }, (_, i) => `word${i}`).join(' ');
  const lines = wrapProse(`${prose}\n\n${row}\nshort`).split('\n');
  t.ok(lines.every((line) => line === row || line.length <= 120));
  t.strictSame(lines.slice(-3), ['', row, 'short']);
  t.equal(lines.slice(0, -3).join(' '), prose);
});
