import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';
import t from 'tap';
import { openConsole, runSql, type ConsoleUnderTest } from '../../support/console-browser.ts';
import { PASSWORD } from '../../support/local-cloud.ts';
import { showPageOnFailure } from '../../support/page-on-failure.ts';

/**
 * What a machine can judge of WCAG 2.1 AA (names of controls, contrast, structure) on every page, in light and dark.
 */
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const run = (only: string): string => `axe.run(document, { runOnly: ${only} })
  .then((found) => found.violations.map((v) => v.id + ': ' + v.nodes.map((n) => n.html.slice(0, 150)).join(' | ')))`;

let console: ConsoleUnderTest;
let page: Page;

showPageOnFailure(t, () => page);
t.before(async () => {
  console = await openConsole(['n1', 'n2']);
  await console.api('POST', '/api/v1/tokens', { name: 'for programs', scopes: ['read'], days: 30 });
  await console.api('POST', '/api/v1/enrolment-tokens', { tags: { place: 'cellar' }, minutes: 60 });
  await console.api('PUT', '/api/v1/saved-queries/one', { name: 'One', sql: 'select 1' });
  await console.api('PUT', '/api/v1/schedules/one', {
    name: 'One',
    sql: 'select 1',
    everySeconds: 86_400,
    tags: { place: 'cellar' },
  });
  await console.api('POST', '/api/v1/schedules/one/runs');
  page = await console.open();
});
t.teardown(async () => console?.stop());

async function violations(): Promise<string[]> {
  const all: string[] = [];
  await page.evaluate(AXE);
  // Only colours can be another matter in the dark.
  for (const [colorScheme, only] of [
    ['light', "['wcag2a', 'wcag2aa', 'wcag21aa', 'best-practice']"],
    ['dark', "{ type: 'rule', values: ['color-contrast'] }"],
  ] as const) {
    await page.emulateMedia({ colorScheme });
    for (const v of (await page.evaluate(run(only))) as string[]) {
      all.push(`${colorScheme} ${v}`);
    }
  }
  return all;
}

t.test('the login', async (t) => {
  await page.goto(console.url());
  await page.getByLabel('Password').waitFor();
  t.same(await violations(), []);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'New password' }).waitFor();
  t.same(await violations(), [], 'which asks for a new password');
  await page.getByRole('button', { name: 'Later' }).click();
  await page.getByRole('heading', { name: 'Overview' }).waitFor();
});

const PAGES: Record<string, string> = {
  overview: '[data-kind=satellites] tbody th',
  satellites: '[data-kind=satellite-list] tbody th',
  'satellites/n2': '[data-kind=states] tbody td',
  users: '[data-kind=users] tbody th',
  tokens: '[data-kind=tokens] tbody th',
  enrolment: '[data-kind=enrolment] tbody th',
  audit: '[data-kind=audit] tbody td',
  account: '[data-kind=sessions] tbody th',
  schedules: '[data-kind=schedules] tbody th',
  'schedules/one': '[data-kind=runs] tbody th',
  query: '[data-kind=schema] summary',
};
for (const [name, there] of Object.entries(PAGES)) {
  t.test(`the page ${name}`, async (t) => {
    await page.goto(console.url(`#/${name}`));
    await page.locator(there).first().waitFor();
    t.same(await violations(), []);
  });
}

t.test('the dialog of a schedule', async (t) => {
  await page.goto(console.url('#/schedules/one'));
  await page.getByRole('button', { name: 'Change…' }).click();
  await page.getByRole('dialog').waitFor();
  t.same(await violations(), []);
  await page.keyboard.press('Escape');
  await page.goto(console.url('#/query'));
});

t.test('a result as table and chart, and a dialog over it', async (t) => {
  await page.getByRole('checkbox', { name: 'n2' }).waitFor();
  await runSql(page, 'select 1 as one, 2 as two union all select 3, null');
  await page.getByText('n2: 2 rows').waitFor();
  t.same(await violations(), []);
  await page.getByRole('button', { name: 'Chart' }).click();
  await page.getByRole('img', { name: /^Chart of/ }).waitFor();
  await page.getByRole('tab', { name: 'Saved' }).click();
  await page.locator('[data-kind=saved] .entry').waitFor();
  t.same(await violations(), []);
  await page.getByRole('button', { name: 'Save…' }).click();
  await page.getByRole('dialog').waitFor();
  t.same(await violations(), []);
});
