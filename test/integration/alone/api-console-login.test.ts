import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import t from 'tap';
import { API_TOKEN, PASSWORD, call, localClouds, type LocalClouds } from '../../support/local-cloud.ts';
import { showPageOnFailure } from '../../support/page-on-failure.ts';

/**
 * How the console asks for a new password: of a user whose first one somebody else has chosen, of who has one that was
 * made up, and of who wants to.
 */
const node = { name: 'n1', address: '127.0.0.1' };
const complaints: string[] = [];
let clouds: LocalClouds;
let browser: Browser;
let page: Page;

showPageOnFailure(t, () => page);
t.before(async () => {
  if (!existsSync(join(process.env['TERRARIUM_CONSOLE'] ?? 'build/console', 'index.html'))) {
    throw new Error('build/console is missing: run ./build.sh first');
  }
  clouds = await localClouds([node]);
  await clouds.start(node);
  await createUser({ name: 'eva', role: 'viewer', password: 'chosen by admin' });
  browser = await chromium.launch({
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  });
  page = await browser.newPage({ ignoreHTTPSErrors: true });
  page.setDefaultTimeout(45_000);
  page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => complaints.push(error.message));
});
t.teardown(async () => {
  await browser.close();
  await clouds.stop();
});

async function createUser(body: object): Promise<void> {
  const made = await call(clouds, node, '/api/v1/users', { body, headers: { authorization: `Bearer ${API_TOKEN}` } });
  if (made.status !== 201) {
    throw new Error(`no user: ${made.status} ${made.body}`);
  }
}

const home = (): string => `https://127.0.0.1:${clouds.ports.console}/`;
const overview = (): Promise<void> => page.getByRole('heading', { name: 'Satellites' }).waitFor();

t.test('a user whose password somebody else has chosen gets no further without another', async (t) => {
  await page.goto(home());
  await page.getByLabel('User').fill('eva');
  await page.getByLabel('Password').fill('chosen by admin');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'New password' }).waitFor();
  t.equal(await page.getByRole('button', { name: 'Later' }).count(), 0);
  await page.reload();
  await page.getByRole('button', { name: 'Log in', exact: true }).waitFor();
  await page.getByLabel('User').fill('eva');
  await page.getByLabel('Password').fill('chosen by admin');
  await page.keyboard.press('Enter');
  await page.getByLabel('New password').fill('chosen by eva herself');
  await page.getByLabel('Once more').fill('chosen by somebody');
  await page.keyboard.press('Enter');
  await page.getByText('The two are not the same.').waitFor();
  await page.getByLabel('Once more').fill('chosen by eva herself');
  await page.keyboard.press('Enter');
  await overview();
  await page.reload();
  await overview();
  t.same(complaints, []);
});

async function logIn(user: string, password: string): Promise<void> {
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.getByLabel('User').fill(user);
  await page.getByLabel('Password').fill(password);
  await page.keyboard.press('Enter');
}

t.test(
  'who logs in with the password that the install printed is asked for one of his own, by keyboard alone, and may ' +
    'do it later',
  async (t) => {
    await logIn('admin', PASSWORD);
    await page.getByText('was made up for you and printed').waitFor();
    t.equal(await page.evaluate('document.activeElement.name'), 'new', 'the first field has the focus');
    for (const next of ['again', 'Change', 'Later']) {
      await page.keyboard.press('Tab');
      t.equal(await page.evaluate('document.activeElement.name || document.activeElement.textContent'), next);
    }
    await page.keyboard.press('Enter');
    await overview();
    await page.reload();
    await overview();

    await logIn('admin', PASSWORD);
    await page.getByLabel('New password').waitFor();
    await page.keyboard.type('chosen by the admin');
    await page.keyboard.press('Tab');
    await page.keyboard.type('chosen by the admin');
    await page.keyboard.press('Enter');
    await overview();
    await logIn('admin', 'chosen by the admin');
    await overview();
    t.equal(await page.getByRole('button', { name: 'Later' }).count(), 0, 'and not again');
    t.same(complaints, []);
  },
);

t.test('who has chosen it himself is not asked, and may change it, or later', async (t) => {
  await createUser({ name: 'ida', role: 'viewer', password: 'chosen by ida herself', mustChangePassword: false });
  await logIn('ida', 'chosen by ida herself');
  await overview();
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.getByLabel('User').fill('ida');
  await page.getByLabel('Password').fill('chosen by ida herself');
  await page.getByRole('button', { name: 'Log in and change the password' }).click();
  await page.getByRole('button', { name: 'Later' }).click();
  await overview();
  t.same(complaints, []);
});

t.test('login page: the password has the focus as soon as it is there, not while somebody types', async (t) => {
  await page.evaluate(`new MutationObserver((_, observer) => {
    const field = document.querySelector('input[name=password]');
    if (field !== null) {
      window.focusedAtOnce = document.activeElement === field;
      observer.disconnect();
    }
  }).observe(document.body, { childList: true, subtree: true })`);
  await logIn('ida', 'chosen by ida herself');
  await overview();
  t.equal(await page.evaluate('window.focusedAtOnce'), true);
});

t.test(
  'the login page after a logout stays as it is, however late the page hears that its session has ended',
  async (t) => {
    const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
    const { promise: typed, resolve: type } = Promise.withResolvers<void>();
    // The watch ends before the logout is answered; who is logged in is asked because of that, and answered when
    // somebody types again.
    await page.route('**/api/v1/session', async (route) => {
      ask();
      await typed;
      await route.continue();
    });
    await page.route('**/api/v1/logout', async (route) => {
      const response = await route.fetch();
      await asked;
      await route.fulfill({ response });
    });
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByLabel('Password').fill('half a pass');
    const answered = page.waitForResponse('**/api/v1/session');
    type();
    await (await answered).finished();
    // Time to be drawn anew.
    await page.waitForTimeout(500);
    t.equal(await page.getByLabel('Password').inputValue(), 'half a pass');
    t.equal(await page.getByText('The session has ended').count(), 0, 'nor is anything said of what was done by hand');
    await page.unrouteAll();
    t.same(complaints, []);
  },
);
