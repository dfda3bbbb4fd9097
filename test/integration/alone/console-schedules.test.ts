import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import t from 'tap';
import type { Schedule } from '../../../src/api/schedules.ts';
import { openConsole, rowsOf, type ConsoleUnderTest } from '../../support/console-browser.ts';
import { showPageOnFailure } from '../../support/page-on-failure.ts';

/** Schedules in the console: from the editor to the rows of a run, by hand, live, and as who may not. */
let console: ConsoleUnderTest;
let page: Page;

showPageOnFailure(t, () => page);
t.before(async () => {
  console = await openConsole(['n1', 'n2']);
  page = await console.open();
  await console.logIn(page);
});
t.teardown(async () => console?.stop());

const row = (name: string) =>
  page.locator('[data-kind=schedules] tbody tr', { has: page.getByRole('link', { name, exact: true }) });
/** For a look by people: TERRARIUM_SHOTS is a folder. */
async function shot(name: string): Promise<void> {
  const folder = process.env['TERRARIUM_SHOTS'];
  if (folder === undefined) {
    return;
  }
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    await page.screenshot({ path: `${folder}/${name}-${colorScheme}.png` });
  }
  await page.emulateMedia({ colorScheme: 'light' });
}

t.test(
  'a query of the editor is scheduled by keyboard, and run now; its rows are shown and exported',
  { timeout: 200_000 },
  async (t) => {
    await page.getByRole('link', { name: 'Query', exact: true }).click();
    await page.getByLabel('SQL', { exact: true }).fill("select 'row of ' || hostname as name, 7 as seven from system");
    await page.getByRole('button', { name: 'Schedule…' }).focus();
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog', { name: 'Run this query regularly' });
    await dialog.getByRole('textbox', { name: 'Name' }).fill('Rows of all');
    await dialog.getByRole('combobox', { name: 'Every' }).selectOption('3600');
    await shot('dialog');
    await dialog.getByRole('textbox', { name: 'Name' }).press('Enter');
    await page.getByRole('heading', { name: 'Rows of all' }).waitFor();
    t.match((await console.api('GET', '/api/v1/schedules/rows-of-all')) as Schedule, {
      name: 'Rows of all',
      everySeconds: 3600,
      satellites: null,
      owner: 'admin',
      state: 'enabled',
    });
    await page.getByRole('button', { name: 'Run now' }).press('Enter');
    const result = page.getByRole('region', { name: 'Result' });
    await result.getByRole('heading', { name: '2 rows', exact: true }).waitFor();
    t.same((await rowsOf(page, 'result')).map((r) => [r[0], r[2]]).sort(), [
      ['n1', '7'],
      ['n2', '7'],
    ]);
    await shot('schedule');
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      result.getByRole('button', { name: 'CSV', exact: true }).click(),
    ]);
    t.match(
      readFileSync(await download.path(), 'utf8'),
      /^satellite,name,seven\r\nn\d,row of [^,]+,7\r\nn\d,row of [^,]+,7\r\n$/,
    );
  },
);

t.test('the list tells of runs and changes as they happen', async (t) => {
  await page.getByRole('link', { name: 'Schedules', exact: true }).first().click();
  await row('Rows of all').getByText('done').waitFor();
  await console.api('PUT', '/api/v1/schedules/other', {
    name: 'Of a program',
    sql: 'select x from nowhere',
    everySeconds: 86_400,
    satellites: ['n1', 'gone'],
    paused: true,
  });
  await row('Of a program').getByText('paused').waitFor();
  await console.api('POST', '/api/v1/schedules/other/runs');
  await row('Of a program').getByText('failed').waitFor();
  await shot('schedules');
  t.same(
    (await rowsOf(page, 'schedules')).map((r) => [r[0], r[2], r[7]]),
    [
      ['Of a programother', '1d', '1'],
      ['Rows of allrows-of-all', '1h', String((await schedule('rows-of-all')).counts.failed)],
    ],
  );
  await page.getByLabel('Filter schedules').fill('nothing like it');
  await page.getByText('Nothing fits.').waitFor();
  await page.getByLabel('Filter schedules').fill('');
  await row('Of a program').getByRole('link').click();
  await page.locator('[data-kind=runs] .reason', { hasText: '2 of 2 satellites did not answer' }).waitFor();
  await page.locator('.message', { hasText: 'gone: There is no satellite gone.' }).waitFor();
});

const schedule = async (id: string): Promise<Schedule> =>
  (await console.api('GET', `/api/v1/schedules/${id}`)) as Schedule;

t.test('it is paused, resumed, changed and deleted; of older runs the rows are still there', async (t) => {
  await page.goto(console.url('#/schedules/rows-of-all'));
  await page.getByRole('button', { name: 'Pause', exact: true }).click();
  await page.getByRole('button', { name: 'Resume', exact: true }).click();
  await page.getByRole('button', { name: 'Pause', exact: true }).waitFor();
  t.equal((await schedule('rows-of-all')).state, 'enabled');
  await page.getByRole('button', { name: 'Change…' }).click();
  const dialog = page.getByRole('dialog', { name: 'Change Rows of all' });
  await dialog.getByRole('textbox', { name: 'SQL' }).fill('select 1 as one union all select 2');
  await dialog.getByRole('radio', { name: 'Those that have tags' }).check();
  await dialog.getByRole('textbox', { name: /^Tags, all/ }).fill('room=none');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await page.locator('.facts', { hasText: 'room=none' }).waitFor();
  t.match(await schedule('rows-of-all'), {
    sql: 'select 1 as one union all select 2',
    tags: { room: 'none' },
    everySeconds: 3600,
  });
  await page.getByRole('button', { name: 'Run now' }).click();
  await page.locator('[data-kind=runs] .reason', { hasText: 'No satellite that is heard fits the choice.' }).waitFor();
  await page.getByRole('button', { name: 'Show the rows of run 1', exact: true }).press('Enter');
  await page.getByRole('region', { name: 'Result' }).getByRole('heading', { name: '2 rows', exact: true }).waitFor();
  await page.getByRole('button', { name: 'Delete…' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('heading', { name: 'Schedules' }).waitFor();
  await row('Rows of all').waitFor({ state: 'detached' });
});

t.test('who may not query sees how runs ended, and no rows', async (t) => {
  await console.user('vic', 'viewer', 'the password of vic');
  const other = await console.open();
  await console.logIn(other, 'vic', 'the password of vic');
  await other.goto(console.url('#/schedules'));
  await other.getByRole('link', { name: 'Of a program' }).click();
  await other.locator('[data-kind=runs]').getByText('failed').waitFor();
  t.same(
    [
      await other.locator('main').getByRole('button').count(),
      await other.getByRole('region', { name: 'Result' }).count(),
    ],
    [0, 0],
    'nothing that would be refused',
  );
  // What becomes of it is told there, too.
  await console.api('DELETE', '/api/v1/schedules/other');
  await other.getByText('There is no schedule of this name.').waitFor();
});

t.test('nothing is in the log of the browser', async (t) => t.same(console.complaints, []));
