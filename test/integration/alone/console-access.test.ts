import type { Page } from 'playwright-core';
import t from 'tap';
import { openConsole, rowsOf, type ConsoleUnderTest } from '../../support/console-browser.ts';
import { call, until } from '../../support/local-cloud.ts';
import { showPageOnFailure } from '../../support/page-on-failure.ts';

/** Users, tokens, sessions and the audit log, and what whom is shown. */
let console: ConsoleUnderTest;
let page: Page;

showPageOnFailure(t, () => page);
t.before(async () => {
  console = await openConsole(['n1']);
  page = await console.open();
  await console.logIn(page);
});
t.teardown(async () => console?.stop());

const go = (p: Page, name: string): Promise<void> =>
  p.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name, exact: true }).click();
const dialog = () => page.getByRole('dialog');
const of = (name: string) => page.getByRole('group', { name: `Change ${name}` });
const said = (text: string | RegExp): Promise<void> => page.locator('.said', { hasText: text }).waitFor();

t.test('a user is made with the keyboard alone; a dialog keeps the focus and gives it back', async (t) => {
  await go(page, 'Users');
  await page.getByRole('button', { name: 'New user' }).press('Enter');
  await dialog().waitFor();
  t.equal(await page.evaluate('document.activeElement.name'), 'name');
  for (let i = 0; i < 12; i += 1) {
    await page.keyboard.press('Tab');
    t.equal(
      await page.evaluate(
        'document.activeElement === document.body || document.activeElement.closest("dialog") !== null',
      ),
      true,
      `inside after ${i + 1} tabs`,
    );
  }
  await page.keyboard.press('Escape');
  await dialog().waitFor({ state: 'detached' });
  t.equal(await page.evaluate('document.activeElement.textContent'), 'New user');

  await page.getByRole('button', { name: 'New user' }).press('Enter');
  await dialog().getByLabel('Name').waitFor();
  await page.keyboard.type('eva');
  await page.keyboard.press('Tab');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Tab');
  await page.keyboard.type('eva has a password');
  await page.keyboard.press('Enter');
  await said('eva has been created.');
  await page.locator('[data-kind=users] tbody tr', { hasText: 'eva' }).waitFor();
  t.same(
    (await rowsOf(page, 'users')).map((r) => [r[0], r[1], r[2]]),
    [
      ['admin (you)', 'admin', 'active'],
      ['eva', 'operator', 'has to change the password'],
    ],
  );
});

t.test('what the cloud refuses is one sentence in the dialog', async (t) => {
  await page.getByRole('button', { name: 'New user' }).click();
  await dialog().getByLabel('Name').fill('eva');
  await dialog().getByLabel('First password').fill('another password');
  await dialog().getByRole('button', { name: 'Create' }).click();
  await dialog().getByText('There is a user eva already.').waitFor();
  t.match(console.complaints.splice(0), [/409/], 'the browser notes it');
  await page.keyboard.press('Escape');
});

t.test('role, password, sessions, disabling, deleting', async (t) => {
  await of('eva').getByRole('button', { name: 'Role' }).click();
  await dialog()
    .getByRole('radio', { name: /viewer/ })
    .check();
  await dialog().getByRole('button', { name: 'Change' }).click();
  await page.locator('[data-kind=users] tbody tr', { hasText: 'eva' }).getByText('viewer', { exact: true }).waitFor();
  await of('eva').getByRole('button', { name: 'Password' }).click();
  await dialog().getByLabel('New password').fill('a newer password');
  await dialog().getByRole('button', { name: 'Set it' }).click();
  await said('eva has a new password.');
  t.equal(
    (await call(console.clouds, console.node, '/api/v1/login', { body: { user: 'eva', password: 'a newer password' } }))
      .status,
    200,
  );
  await of('eva').getByRole('button', { name: 'End sessions' }).click();
  await dialog().getByRole('button', { name: 'End them' }).click();
  await said('One session of eva has ended.');
  await of('eva').getByRole('button', { name: 'Disable' }).click();
  await dialog().getByRole('button', { name: 'Disable' }).click();
  await page.locator('[data-kind=users] tbody tr', { hasText: 'eva' }).getByText('disabled', { exact: true }).waitFor();
  await of('eva').getByRole('button', { name: 'Enable' }).click();
  await of('eva').getByRole('button', { name: 'Disable' }).waitFor();
  await of('eva').getByRole('button', { name: 'Delete' }).click();
  await dialog().getByRole('button', { name: 'Delete' }).click();
  await page.locator('[data-kind=users] tbody tr', { hasText: 'eva' }).waitFor({ state: 'detached' });
  // Somebody else's change appears by itself.
  await console.user('otto', 'viewer', 'otto has a password');
  await page.locator('[data-kind=users] tbody tr', { hasText: 'otto' }).waitFor();
});

t.test('the audit log tells who did what, before and after, page by page', async (t) => {
  await go(page, 'Audit log');
  const entry = page
    .locator('[data-kind=audit] > tbody > tr', { hasText: 'user.update' })
    .filter({ hasText: 'user/eva' })
    .last();
  await entry.locator('summary').press('Enter');
  t.same(
    await entry
      .locator('.diff tbody tr')
      .evaluateAll((trs) => trs.map((tr) => [...tr.children].map((c) => c.textContent))),
    [['role', 'operator', 'viewer']],
  );
  await page.getByLabel('What').fill('user/otto');
  await page.keyboard.press('Enter');
  await until('only what is looked for', async () => ((await rowsOf(page, 'audit')).length === 1 ? true : undefined));
  t.match((await rowsOf(page, 'audit'))[0]?.[2], 'user.create');
  await page.getByRole('link', { name: 'Show all' }).click();
  await page.locator('[data-kind=audit] > tbody > tr').nth(1).waitFor();
  for (let i = 0; i < 60; i += 1) {
    await console.api('PUT', '/api/v1/saved-queries/again', { name: `Version ${i}`, sql: 'select 1' });
  }
  await page.getByRole('button', { name: /newer: show/ }).click();
  await page.getByRole('button', { name: 'Older ones' }).click();
  await page.locator('[data-kind=audit] > tbody > tr').nth(60).waitFor();
  t.ok((await rowsOf(page, 'audit')).length > 60);
});

t.test('a token is shown once, works, and ends when it is deleted', async (t) => {
  await go(page, 'API tokens');
  await page.getByRole('button', { name: 'New token' }).click();
  await dialog().getByLabel('Name').fill('for the tests');
  await dialog()
    .getByRole('checkbox', { name: /^query/ })
    .check();
  await dialog().getByLabel('Days until it ends').fill('3');
  await dialog().getByRole('button', { name: 'Create' }).click();
  const token = await dialog().getByRole('textbox', { name: 'Token' }).inputValue();
  t.match(token, /^trr_/);
  await dialog().getByRole('button', { name: 'Done' }).click();
  const status = async (): Promise<number> =>
    (await call(console.clouds, console.node, '/api/v1/satellites', { headers: { authorization: `Bearer ${token}` } }))
      .status;
  t.equal(await status(), 200);
  t.equal(await page.getByText(token).count(), 0);
  await page.locator('[data-kind=tokens] tbody tr', { hasText: 'for the tests' }).waitFor();
  t.match(
    (await rowsOf(page, 'tokens')).find((r) => r[0]?.includes('for the tests')),
    [/for the tests/, 'admin', 'read, query'],
  );
  await page.getByRole('button', { name: 'Delete for the tests' }).click();
  await dialog().getByRole('button', { name: 'Delete' }).click();
  await page.locator('[data-kind=tokens] tbody tr', { hasText: 'for the tests' }).waitFor({ state: 'detached' });
  t.equal(await status(), 401);
});

t.test('a viewer sees nothing that would be refused', async (t) => {
  const other = await console.open();
  await console.logIn(other, 'otto', 'otto has a password');
  t.same(await other.getByRole('navigation', { name: 'Pages' }).getByRole('link').allTextContents(), [
    'Overview',
    'Satellites',
    'Schedules',
    'API tokens',
  ]);
  await go(other, 'Satellites');
  await other.getByRole('link', { name: 'n1' }).click();
  await other.getByRole('heading', { name: 'n1' }).waitFor();
  t.equal(await other.getByRole('button', { name: 'Revoke' }).count(), 0);
  t.equal(await other.getByRole('link', { name: 'Ask this one' }).count(), 0);
  for (const hidden of ['query', 'users', 'audit', 'enrolment']) {
    await other.goto(console.url(`#/${hidden}`));
    await other.getByText('The role viewer does not allow this page.').waitFor();
  }
  // A new role is in force at once, in the open page too.
  await console.api('PATCH', '/api/v1/users/otto', { role: 'operator' });
  await other.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Enrolment' }).waitFor();
  // And where it changes while the page's watch is between two connections.
  const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
  const { promise: changed, resolve: change } = Promise.withResolvers<void>();
  await other.route('**/api/v1/watch?*', async (route) => {
    ask();
    await changed;
    await route.continue();
  });
  await go(other, 'Satellites');
  await asked;
  await console.api('PATCH', '/api/v1/users/otto', { role: 'admin' });
  change();
  await other.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Users' }).waitFor();
  await other.context().close();
});

t.test('the own password is changed, and this session goes on', async (t) => {
  await console.user('ida', 'operator', 'ida has a password');
  const other = await console.open();
  await console.logIn(other, 'ida', 'ida has a password');
  await other.getByRole('link', { name: /^ida/ }).click();
  await other.getByLabel('Current password').fill('not her password');
  await other.getByLabel('New password').fill('ida has another one');
  await other.getByLabel('Once more').fill('ida has another one');
  await other.keyboard.press('Enter');
  await other.getByText('The current password is wrong.').waitFor();
  t.match(console.complaints.splice(0), [/403/]);
  await other.getByLabel('Current password').fill('ida has a password');
  await other.keyboard.press('Enter');
  await other.locator('.said', { hasText: 'The password has been changed.' }).waitFor();
  await other.reload();
  await other.getByRole('heading', { name: 'ida' }).waitFor();
  await other.locator('[data-kind=sessions] tbody tr', { hasText: '(this one)' }).waitFor();
  t.equal((await rowsOf(other, 'sessions')).length, 1, 'the old one is over');
  // Ending it leads to the login.
  await other.getByRole('button', { name: 'End it' }).click();
  await other.getByRole('dialog').getByRole('button', { name: 'End it' }).click();
  await other.getByRole('button', { name: 'Log in', exact: true }).waitFor();
  await other.context().close();
});

t.test('nothing is in the log of the browser', async (t) => t.same(console.complaints, []));
