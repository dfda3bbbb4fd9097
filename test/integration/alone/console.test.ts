import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import t from 'tap';
import { openDatabase } from '../../../src/store/database.ts';
import { openFacts } from '../../../src/store/facts.ts';
import { PASSWORD, localClouds, until, type LocalClouds, type LocalNode } from '../../support/local-cloud.ts';
import { showPageOnFailure } from '../../support/page-on-failure.ts';

const nodes: LocalNode[] = ['n1', 'n2', 'n3'].map((name, i) => ({ name, address: `127.0.0.${i + 1}` }));
const children: ChildProcess[] = [];
const complaints: string[] = [];
let clouds: LocalClouds;
let browser: Browser;
let page: Page;

showPageOnFailure(t, () => page);
t.before(async () => {
  if (!existsSync('build/console/index.html')) {
    throw new Error('build/console is missing: run ./build.sh first');
  }
  clouds = await localClouds(nodes);
  const db = await openDatabase(join(clouds.files.data('n1'), 'cloud/state/cloud.db'));
  // As the instance has seen it in Kubernetes before.
  openFacts(db).put('kubernetes', {
    nodes: [],
    pods: [],
    published: { shop: '["https://10.0.0.1:9000","10.0.0.1:5432"]' },
  });
  db.close();
  await Promise.all(nodes.map((n) => clouds.start(n)));
  for (const n of nodes) {
    children.push(spawn(process.execPath, ['src/main.ts', 'satellite'], { env: clouds.env(n), stdio: 'ignore' }));
  }
  browser = await chromium.launch({
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  });
  page = await browser.newPage({ ignoreHTTPSErrors: true, colorScheme: 'light' });
  page.setDefaultTimeout(45_000);
  page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`));
  page.on('response', (response) => {
    if (response.status() >= 400) {
      complaints.push(`${response.status()} ${response.url()}`);
    }
  });
  page.on('pageerror', (error) => complaints.push(error.message));
});

t.teardown(async () => {
  await browser.close();
  for (const child of children) {
    child.kill('SIGKILL');
  }
  await clouds.stop();
});

const rows = (kind: string): Promise<string[][]> =>
  page
    .locator(`[data-kind=${kind}] tbody tr`)
    .evaluateAll((trs) => trs.map((tr) => [...tr.children].map((c) => c.textContent ?? '')));

t.test('log in with the keyboard alone', async (t) => {
  await page.goto(`https://127.0.0.1:${clouds.ports.console}/`);
  await page.locator('input[name=password]:focus').waitFor();
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Later' }).press('Enter');
  await page.getByRole('heading', { name: 'Satellites' }).waitFor();
  t.same(
    await page
      .context()
      .cookies()
      .then((all) => all.map((c) => [c.name, c.httpOnly, c.secure, c.sameSite])),
    [['__Host-terrarium', true, true, 'Strict']],
  );
});

t.test('cloud instances and satellites appear by themselves', async (t) => {
  await page.locator('[data-kind=satellites] tbody tr:has-text("healthy")').nth(2).waitFor();
  await page.locator('[data-kind=clouds] tbody tr:not(:has-text("no leader")):has-text("leader")').waitFor();
  await page.locator('[data-kind=clouds] tbody tr:has-text("healthy")').nth(2).waitFor();
  t.same(
    (await rows('clouds')).map((r) => [r[0], r[1]]),
    [
      ['n1', 'healthy'],
      ['n2', 'healthy'],
      ['n3', 'healthy'],
    ],
  );
  t.same(
    (await rows('satellites')).map((r) => r[0]),
    ['n1', 'n2', 'n3'],
  );
});

t.test('an application is shown with its addresses; only web pages are links', async (t) => {
  t.same(await rows('applications'), [['shop', 'https://10.0.0.1:900010.0.0.1:5432']]);
  t.same(
    await page
      .locator('[data-kind=applications] a')
      .evaluateAll((links) => links.map((a) => [a.getAttribute('href'), a.getAttribute('rel')])),
    [['https://10.0.0.1:9000', 'noreferrer']],
  );
});

t.test('a query on one satellite finds a process that has just been started', async (t) => {
  const sleeper = spawn('sleep', ['987.25']);
  children.push(sleeper);
  await page.getByRole('link', { name: 'Query' }).press('Enter');
  for (const other of ['n1', 'n3']) {
    await page.getByRole('checkbox', { name: other }).press('Space');
  }
  await page
    .getByLabel('SQL')
    .fill("select pid, cmdline from processes where cmdline like '%987.25%' and name = 'sleep'");
  await page.getByLabel('SQL').press('Control+Enter');
  await page.locator('[data-kind=result] tbody tr').first().waitFor();
  t.same(await rows('result'), [[String(sleeper.pid), 'sleep 987.25']]);
  await page.getByText('n2: 1 row').waitFor();
});

t.test('a wrong statement is told where it was asked', async (t) => {
  await page.getByLabel('SQL').fill('select x from nowhere');
  await page.getByRole('button', { name: 'Run' }).click();
  await page.locator('.message', { hasText: /n2: .*nowhere/ }).waitFor();
  t.pass();
});

t.test('values are shown as text, whatever is in them', async (t) => {
  await page
    .getByLabel('SQL')
    .fill("select '<img src=x onerror=alert(1)>' as markup, null as missing, x'00ff' as bytes");
  await page.getByRole('button', { name: 'Run' }).click();
  await page.locator('[data-kind=result] tbody tr').first().waitFor();
  t.same(await rows('result'), [['<img src=x onerror=alert(1)>', 'null', 'blob AP8=']]);
});

t.test('light and dark', async (t) => {
  const background = (): Promise<string> => page.evaluate('getComputedStyle(document.body).backgroundColor');
  const light = await background();
  t.not(light, 'rgba(0, 0, 0, 0)');
  await page.emulateMedia({ colorScheme: 'dark' });
  const dark = await background();
  t.not(dark, light);
  const button = page.getByRole('button', { name: /^Colours/ });
  await button.click();
  await until('the colours chosen by hand', async () => ((await background()) === light ? true : undefined), 3000);
  t.equal(await page.getByRole('button', { name: /^Colours/ }).getAttribute('title'), 'Colours: light');
});

t.test('log out, and the page asks for the password again', async (t) => {
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.getByLabel('Password').waitFor();
  await page.reload();
  await page.getByLabel('Password').waitFor();
  t.same(complaints, [], 'nothing in the log of the browser');
});
