import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import t from 'tap';
import { openConsole, rowsOf, runSql, type ConsoleUnderTest } from '../../support/console-browser.ts';
import { until } from '../../support/local-cloud.ts';
import { showPageOnFailure } from '../../support/page-on-failure.ts';

/**
 * The page for queries: many rows, chart, history, saved queries, exports, the states of each satellite, cancelling.
 */
let console: ConsoleUnderTest;
let page: Page;

showPageOnFailure(t, () => page);
t.before(async () => {
  console = await openConsole(['n1', 'n2'], ['n3']);
  page = await console.open();
  await console.logIn(page);
  await page.getByRole('link', { name: 'Query', exact: true }).click();
});
t.teardown(async () => console?.stop());

const numbers = (n: number): string =>
  `with recursive c(x) as (select 1 union all select x + 1 from c where x < ${n}) select x, x * 2 as double, 'row ` +
  `' || x as name from c`;
const run = (sql: string): Promise<void> => runSql(page, sql);
const total = (text: string): Promise<void> =>
  page
    .getByRole('region', { name: 'Result' })
    .getByRole('heading', { name: text, exact: true })
    .waitFor({ timeout: 120_000 });
const scroll = (share: number): Promise<void> =>
  page.evaluate(`{ const e = document.querySelector('.rows'); e.scrollTop = e.scrollHeight * ${share}; }`);

t.test('a click in the schema inserts where the cursor is', async (t) => {
  await page.getByLabel('SQL', { exact: true }).fill('select  from processes');
  await page.evaluate("document.getElementById('sql').setSelectionRange(7, 7)");
  await page.getByLabel('Filter tables and columns').fill('rss_bytes');
  await page.getByRole('button', { name: 'Insert column rss_bytes' }).first().click();
  t.equal(await page.getByLabel('SQL', { exact: true }).inputValue(), 'select rss_bytes from processes');
  t.equal(await page.evaluate('document.activeElement.id'), 'sql', 'and one can go on typing');
});

t.test(
  'two hundred thousand rows of two satellites scroll, while the page holds some dozens',
  { timeout: 200_000 },
  async (t) => {
    await page.getByLabel('At most').selectOption('100000');
    await run(numbers(100_000));
    await total('200,000 rows');
    await page.getByText('n1: 100,000 rows').waitFor();
    await page.getByText('n2: 100,000 rows').waitFor();
    const drawn = page.locator('[data-kind=result] tbody tr:not(.gap)');
    t.ok((await drawn.count()) < 150, `${await drawn.count()} rows in the page`);
    await scroll(1);
    await page.locator('[data-kind=result] tbody tr[aria-rowindex="200001"]').waitFor();
    await scroll(0.5);
    await page.locator('[data-kind=result] tbody tr[aria-rowindex="100001"]').waitFor();
    t.ok((await drawn.count()) < 150);
    // By keyboard, as any region that scrolls.
    await page.getByRole('region', { name: 'Rows' }).focus();
    await page.keyboard.press('Home');
    await page.locator('[data-kind=result] tbody tr[aria-rowindex="2"]').waitFor();
  },
);

t.test('rows of all are merged in order, and only the first ones come', async (t) => {
  const merge = page.getByRole('group', { name: 'All rows together' });
  await merge.getByLabel('All rows in the order of').fill('x');
  await merge.getByLabel('the largest first').check();
  await merge.getByLabel('and only the first').fill('3');
  await run(numbers(5));
  await total('3 rows');
  t.same(
    (await rowsOf(page, 'result')).map((r) => r.slice(0, 2)),
    [
      ['n1', '5'],
      ['n2', '5'],
      ['n1', '4'],
    ],
  );
  await merge.getByLabel('All rows in the order of').fill('');
  await merge.getByLabel('and only the first').fill('');
});

t.test('only the chosen satellites answer', async () => {
  await page.getByRole('checkbox', { name: 'n2' }).press('Space');
  await run(numbers(3));
  await total('3 rows');
  await page.getByText('n1: 3 rows').waitFor();
});

t.test('rows are exported as CSV and as lines of JSON', async (t) => {
  const saved = async (name: string): Promise<string> => {
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name, exact: true }).click(),
    ]);
    return readFileSync(await download.path(), 'utf8');
  };
  t.equal(await saved('CSV'), 'satellite,x,double,name\r\nn1,1,2,row 1\r\nn1,2,4,row 2\r\nn1,3,6,row 3\r\n');
  t.same(
    (await saved('JSON lines'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown)[2],
    { satellite: 'n1', row: { x: 3, double: 6, name: 'row 3' } },
  );
});

t.test('numbers along time are drawn, a line for each satellite', async (t) => {
  await page.getByRole('button', { name: 'All', exact: true }).click();
  await run(
    'with recursive c(x) as (select 0 union all select x + 1 from c where x < 99) select ' +
      "strftime('%Y-%m-%dT%H:%M:%SZ', 1760000000 + x * 10, 'unixepoch') as time, x % 7 as busy, 'x' as name from c",
  );
  await total('200 rows');
  await page.getByRole('button', { name: 'Chart' }).click();
  const plot = page.getByRole('img', { name: /Chart of n[12], n[12] along time/ });
  await plot.waitFor();
  t.same([await plot.getAttribute('data-points'), await plot.getAttribute('data-series')], ['100', '2']);
  const inked =
    '(e) => { const c = e.querySelector("canvas"); const d = c.getContext("2d").getImageData(0, 0, c.width, ' +
    'c.height).data; const seen = new Set(); for (let i = 0; i < d.length; i += 4) if (d[i + 3] > 200) ' +
    'seen.add(d[i] + "," + d[i + 1] + "," + d[i + 2]); return seen.size; }';
  await until('lines of two colours', async () =>
    Number(await page.evaluate(`(${inked})(document.querySelector('.plot'))`)) > 2 ? true : undefined,
  );
  t.equal(await page.getByRole('combobox', { name: 'Along' }).inputValue(), 'time');
  await page.getByRole('combobox', { name: 'Along' }).selectOption('row number');
  await page.getByRole('img', { name: /along row number/ }).waitFor();
  await page.getByRole('button', { name: 'Table', exact: true }).click();
});

t.test('what was run is in the history, after a reload too', async (t) => {
  await page.reload();
  await page.getByRole('tab', { name: 'Tables' }).press('ArrowLeft');
  const entries = page.locator('[data-kind=history] .entry');
  await entries.nth(2).waitFor();
  t.match(await entries.first().textContent(), /200 rows/);
  await entries.nth(1).click();
  t.equal(await page.getByLabel('SQL', { exact: true }).inputValue(), numbers(3));
});

t.test('a query is saved, opened, saved over and deleted', async (t) => {
  await page.getByLabel('SQL', { exact: true }).fill('select 1 as one');
  await page.getByRole('button', { name: 'Save…' }).click();
  await page.getByRole('dialog').getByLabel('Name').fill('The one');
  await page.keyboard.press('Enter');
  const saved = page.locator('[data-kind=saved] li', { hasText: 'The one' });
  await saved.waitFor();
  await page.getByLabel('SQL', { exact: true }).fill('select 2 as two');
  await page.getByRole('button', { name: 'Save…' }).click();
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.locator('[data-kind=saved] li', { hasText: 'select 2 as two' }).waitFor();
  t.equal(await page.locator('[data-kind=saved] li').count(), 1, 'over the opened one');
  await page.getByLabel('SQL', { exact: true }).fill('');
  await saved.locator('.entry').click();
  t.equal(await page.getByLabel('SQL', { exact: true }).inputValue(), 'select 2 as two');
  // What somebody else saves appears by itself.
  await console.api('PUT', '/api/v1/saved-queries/other', { name: 'Of a program', sql: 'select 3' });
  await page.locator('[data-kind=saved] li', { hasText: 'Of a program' }).waitFor();
  await page.getByRole('button', { name: 'Delete the saved The one' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await saved.waitFor({ state: 'detached' });
});

t.test('each satellite has its own state: rows, empty, error, lost', async (t) => {
  await run("select 1 as x where exists (select 1 from system where hostname = 'nobody')");
  await page.getByText('n1: no rows').waitFor();
  await page.getByText('n2: no rows').waitFor();
  await run('select x from nowhere');
  await page.getByText('n1: error').waitFor();
  await page.locator('.message', { hasText: /n2: .*nowhere/ }).waitFor();
  const third = await console.satellite('n3');
  await page.getByRole('checkbox', { name: 'n3' }).waitFor();
  third.kill('SIGKILL');
  await run('select 1 as x');
  await page.getByText('n3: lost').waitFor();
  await page.getByText('n1: 1 row').waitFor();
  await page.locator('.message', { hasText: /^n3: / }).waitFor();
  t.pass();
});

t.test('a query without an end is cancelled', async (t) => {
  await run('with recursive c(x) as (select 1 union all select x + 1 from c) select max(x) as x from c');
  await page.getByText('n1: waiting').waitFor();
  await page.getByRole('button', { name: 'Cancel', exact: true }).click();
  await page.getByText('n1: cancelled').waitFor();
  await run('select 7 as seven');
  await page.getByText('n1: 1 row').waitFor();
  t.pass();
});

t.test('nothing is in the log of the browser', async (t) => t.same(console.complaints, []));
