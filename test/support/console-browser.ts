import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import { API_TOKEN, PASSWORD, call, localClouds, until, type LocalClouds, type LocalNode } from './local-cloud.ts';

/** How long anything in a page may take: the machine may be slow, and nothing waits for longer than it takes. */
const PATIENCE_MS = 60_000;

/** The console of one cloud with satellites on this machine, in Chromium. */
export interface ConsoleUnderTest {
  clouds: LocalClouds;
  node: LocalNode;
  browser: Browser;
  /** What the browser's log, failed requests and uncaught errors say. */
  complaints: string[];
  url(address?: string): string;
  /** Another browser profile. */
  open(): Promise<Page>;
  logIn(page: Page, user?: string, password?: string): Promise<void>;
  /** Starts the satellite of a node; resolves when the cloud hears it. */
  satellite(name: string): Promise<ChildProcess>;
  /** Creates a user who has chosen his password himself. */
  user(name: string, role: string, password: string): Promise<void>;
  api(method: string, path: string, body?: unknown): Promise<unknown>;
  stop(): Promise<void>;
}

/** Opens a page in another browser profile. */
async function openPage(browser: Browser, complaints: string[]): Promise<Page> {
  const context = await browser.newContext({
    ignoreHTTPSErrors: true,
    colorScheme: 'light',
    viewport: { width: 1360, height: 900 },
    acceptDownloads: true,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => complaints.push(error.message));
  return page;
}

async function logIn(page: Page, url: string, user = 'admin', password = PASSWORD): Promise<void> {
  await page.goto(url);
  await page.getByLabel('User').fill(user);
  await page.getByLabel('Password').fill(password);
  await page.keyboard.press('Enter');
  // A password that was made up for a user makes the console ask for another one; the cloud's tests have the first
  // administrator.
  if (user === 'admin') {
    await page.getByRole('button', { name: 'Later' }).press('Enter');
  }
  await page.getByRole('heading', { name: 'Overview' }).waitFor();
}

async function callApi(
  clouds: LocalClouds,
  node: LocalNode,
  method: string,
  path: string,
  body?: unknown,
): Promise<unknown> {
  const answer = await call(clouds, node, path, {
    method,
    headers: { authorization: `Bearer ${API_TOKEN}` },
    ...(body === undefined ? {} : { body }),
  });
  if (answer.status >= 300) {
    throw new Error(`${method} ${path}: ${answer.status} ${answer.body}`);
  }
  return answer.body === '' ? undefined : (JSON.parse(answer.body) as unknown);
}

/**
 * @param satellites names of nodes whose satellites run from the beginning; the first one has the cloud. @param known
 *   satellites that the test itself beats for
 */
export async function openConsole(
  satellites: string[],
  silent: string[] = [],
  known: string[] = [],
): Promise<ConsoleUnderTest> {
  if (!existsSync(join(process.env['TERRARIUM_CONSOLE'] ?? 'build/console', 'index.html'))) {
    throw new Error('build/console is missing: run ./build.sh first');
  }
  const [first, ...workers] = [...satellites, ...silent];
  if (first === undefined) {
    throw new Error('a console needs a node');
  }
  const node: LocalNode = { name: first, address: '127.0.0.1' };
  const clouds = await localClouds([node], { satellites: workers, known });
  const children: ChildProcess[] = [];
  const complaints: string[] = [];
  const under: ConsoleUnderTest = {
    clouds,
    node,
    complaints,
    browser: await chromium.launch({
      executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
      args: ['--no-sandbox', '--disable-dev-shm-usage'],
    }),
    url: (address = '') => `https://127.0.0.1:${clouds.ports.console}/${address}`,
    open: () => openPage(under.browser, complaints),
    logIn: (page, user, password) => logIn(page, under.url(), user, password),
    async satellite(name) {
      const child = spawn(process.execPath, ['src/main.ts', 'satellite'], {
        env: clouds.env({ name, address: '127.0.0.1' }),
        stdio: 'ignore',
      });
      children.push(child);
      await until(
        `satellite ${name} to be heard`,
        async () => {
          const list = (await under.api('GET', '/api/v1/satellites')) as { items: { id: string; state: string }[] };
          return list.items.some((s) => s.id === name && s.state === 'healthy') ? true : undefined;
        },
        PATIENCE_MS,
      );
      return child;
    },
    async user(name, role, password) {
      await under.api('POST', '/api/v1/users', { name, role, password, mustChangePassword: false });
    },
    api: (method, path, body) => callApi(clouds, node, method, path, body),
    async stop() {
      await under.browser.close();
      for (const child of children) {
        child.kill('SIGKILL');
      }
      await clouds.stop();
    },
  };
  try {
    await clouds.start(node);
    await Promise.all(satellites.map((name) => under.satellite(name)));
  } catch (error) {
    await under.stop();
    throw error;
  }
  return under;
}

/**
 * Runs a query on the query page by its keys, which do nothing while there is nobody to ask yet, or while the query
 * before is about its end.
 */
export async function runSql(page: Page, sql: string): Promise<void> {
  const editor = page.getByLabel('SQL', { exact: true });
  await editor.fill(sql);
  await page.locator('button.primary:enabled', { hasText: /^Run$/ }).waitFor();
  await editor.press('Control+Enter');
}

/** The cells of a table by its kind, as text. */
export function rowsOf(page: Page, kind: string): Promise<string[][]> {
  return page
    .locator(`[data-kind=${kind}] > tbody > tr`)
    .evaluateAll((trs) => trs.map((tr) => [...tr.children].map((c) => c.textContent ?? '')));
}
