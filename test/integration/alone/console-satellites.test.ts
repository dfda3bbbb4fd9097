import type { Page, Request } from 'playwright-core';
import t from 'tap';
import { openConsole, rowsOf, runSql, type ConsoleUnderTest } from '../../support/console-browser.ts';
import { until } from '../../support/local-cloud.ts';
import { showPageOnFailure } from '../../support/page-on-failure.ts';

/** The satellites' list and pages: live states, asking one, revoking, enrolling others. */
let console: ConsoleUnderTest;
let page: Page;
/** Watches that the page has open. */
const watches = new Set<Request>();

showPageOnFailure(t, () => page);
t.before(async () => {
  console = await openConsole(['n1', 'n2'], ['n3']);
  await console.user('olga', 'operator', 'olga has a password');
  page = await console.open();
  page.on('request', (r) => (r.url().includes('/api/v1/watch') ? watches.add(r) : undefined));
  page.on('requestfailed', (r) => watches.delete(r));
  page.on('requestfinished', (r) => watches.delete(r));
  await console.logIn(page, 'olga', 'olga has a password');
});
t.teardown(async () => console?.stop());

const go = (name: string): Promise<void> =>
  page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name, exact: true }).click();

t.test('the list is filtered and leads to a page with facts and tables', async (t) => {
  await go('Satellites');
  await page.locator('[data-kind=satellite-list] tbody tr').nth(1).waitFor();
  t.same(
    (await rowsOf(page, 'satellite-list')).map((r) => [r[0], r[1]]),
    [
      ['n1', 'healthy'],
      ['n2', 'healthy'],
    ],
  );
  await page.getByLabel('Filter satellites').fill('n2');
  await page.getByText('1 of 2').waitFor();
  await page.getByRole('link', { name: 'n2', exact: true }).press('Enter');
  await page.getByRole('heading', { name: 'n2', exact: true }).waitFor();
  t.equal(await page.evaluate('document.activeElement.tagName'), 'H1', 'the focus goes with the page');
  t.match(await page.title(), /^n2 /);
  await page.getByText('Running since').waitFor();
  await page.locator('.tables summary', { hasText: 'processes' }).press('Enter');
  await page.getByText(/pid, .*rss_bytes/).waitFor();
});

t.test('asking one goes to the query with this one chosen', async (t) => {
  await page.getByRole('link', { name: 'Ask this one' }).click();
  await page.getByRole('checkbox', { name: 'n2', checked: true }).waitFor();
  t.equal(await page.getByRole('checkbox', { name: 'n1' }).isChecked(), false);
  await runSql(page, 'select 5 as five');
  await page.getByText('n2: 1 row').waitFor();
  await page.goBack();
  await page.getByRole('heading', { name: 'n2', exact: true }).waitFor();
});

t.test('name and tags are given, and found again', async (t) => {
  await page.getByRole('button', { name: 'Name and tags' }).click();
  await page.getByRole('dialog').getByLabel('Name').fill('The second');
  await page.getByRole('dialog').getByLabel('Tags').fill('place=cellar');
  await page.getByRole('dialog').getByRole('button', { name: 'Change' }).click();
  await page.getByLabel('Facts').getByText('The second').waitFor();
  await page.getByLabel('Facts').getByText('place=cellar').waitFor();
  await go('Satellites');
  await page.getByLabel('Filter satellites').fill('cellar');
  await until('the tagged one', async () => ((await rowsOf(page, 'satellite-list')).length === 1 ? true : undefined));
  t.match((await rowsOf(page, 'satellite-list'))[0], ['n2The second', 'healthy', 'place=cellar']);
  await page.getByRole('link', { name: 'n2', exact: true }).click();
});

t.test('an operator chooses by which way it is asked', async (t) => {
  await page.getByLabel('Facts').getByText('directly where the browser reaches it, else through the cloud').waitFor();
  await page.getByRole('button', { name: 'How it is asked' }).click();
  await page
    .getByRole('dialog')
    .getByRole('radio', { name: /^cloud/ })
    .check();
  await page.getByRole('dialog').getByRole('button', { name: 'Change' }).click();
  await page.getByLabel('Facts').getByText('through the cloud only').waitFor();
  t.match(await console.api('GET', '/api/v1/satellites/n2'), { access: 'cloud' });
});

t.test('a satellite is revoked after a question, and comes back when that is forgotten', async (t) => {
  await page.getByRole('button', { name: 'Revoke' }).click();
  await page.getByRole('dialog', { name: 'Revoke n2?' }).getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Revoke' }).click();
  await page.getByRole('dialog', { name: 'Revoke n2?' }).getByLabel('Why').fill('its disk was stolen');
  await page.keyboard.press('Enter');
  await page.getByText('It has been revoked').waitFor();
  const revoked = page.locator('[data-kind=states] tbody tr', { hasText: 'its disk was stolen' });
  await revoked.waitFor();
  t.match(await revoked.textContent(), /^revoked.*olga/);
  t.equal(await page.getByRole('link', { name: 'Ask this one' }).count(), 0);
  await go('Satellites');
  await page.locator('[data-kind=satellite-list] tbody tr', { hasText: 'n2' }).getByText('revoked').waitFor();
  await page.getByRole('link', { name: 'n2', exact: true }).click();
  await page.getByRole('button', { name: 'Forget the revocation' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Forget it' }).click();
  await page.getByLabel('Facts').getByText('healthy').waitFor();
});

t.test('an administrator sees who revoked it', async (t) => {
  const admin = await console.open();
  await console.logIn(admin);
  await admin.goto(console.url('#/satellites/n2'));
  await admin.locator('[data-kind=audit] > tbody > tr', { hasText: 'satellite.revoke' }).waitFor();
  t.match((await rowsOf(admin, 'audit')).find((r) => r[2] === 'satellite.revoke')?.[1], 'olga');
  await admin.context().close();
});

t.test('an enrolment token comes as the command line for the other machine', async (t) => {
  await go('Enrolment');
  await page.getByRole('button', { name: 'Add a machine' }).click();
  await page.getByLabel('Tags').fill('=nothing');
  await page.getByRole('button', { name: 'Make a token' }).click();
  await page.getByText(/“=nothing” is no tag/).waitFor();
  await page.getByLabel('Tags').fill('place=cellar fast');
  await page.getByLabel('Good for').selectOption('15');
  await page.getByRole('button', { name: 'Make a token' }).click();
  const line = await page.getByLabel('Command line').inputValue();
  t.match(
    line,
    new RegExp(
      '^echo tre_[0-9a-f]{16}_[\\w-]+ \\| sudo terrarium satellite install ' +
        `127\\.0\\.0\\.1:${console.clouds.ports.console} --ca-hash sha256:[0-9a-f]{64}$`,
    ),
  );
  await page.getByRole('button', { name: 'Done' }).click();
  const id = /tre_([0-9a-f]+)_/.exec(line)?.[1] ?? '';
  await page.locator('[data-kind=enrolment] tbody tr', { hasText: id }).waitFor();
  t.match((await rowsOf(page, 'enrolment'))[0], [id, 'ready', 'place=cellarfast', 'olga']);
  await page.getByRole('button', { name: `Delete ${id}` }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await page.getByText('There is none.').waitFor();
});

t.test('another cluster gets its satellite by YAML', async (t) => {
  await page.getByRole('button', { name: 'Add a cluster' }).click();
  await page.getByLabel('Name of its satellite').fill('other-cluster');
  await page.keyboard.press('Enter');
  const yaml = await page.getByLabel('YAML').inputValue();
  t.match(yaml, /kind: Deployment/);
  t.match(yaml, /other-cluster/);
  await page.getByRole('button', { name: 'Done' }).click();
  await page.locator('[data-kind=enrolment] tbody tr', { hasText: 'ready' }).waitFor();
});

t.test('a new satellite appears without loading the page again, by the one watch of this page', async () => {
  await go('Overview');
  await page.locator('[data-kind=satellites] tbody tr').nth(1).waitFor();
  await console.satellite('n3');
  await page.locator('[data-kind=satellites] tbody tr', { hasText: 'n3' }).getByText('healthy').waitFor();
  await until('one watch', () => (watches.size === 1 ? true : undefined));
});

t.test('nothing is in the log of the browser', async (t) => t.same(console.complaints, []));

t.test('the page goes on by itself when its instance was away', async (t) => {
  await console.clouds.halt();
  await page.getByText('reconnecting…').waitFor();
  await console.clouds.start(console.node);
  await page.getByText('live', { exact: true }).waitFor();
  await console.api('PATCH', '/api/v1/satellites/n1', { name: 'Named meanwhile' });
  await go('Satellites');
  await page.getByText('Named meanwhile').waitFor();
  t.equal(await page.getByText('reconnecting…').count(), 0);
});
