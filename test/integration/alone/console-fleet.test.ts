import type { IncomingMessage } from 'node:http';
import type { NatsConnection } from '@nats-io/transport-node';
import type { Page } from 'playwright-core';
import t from 'tap';
import type { Overview } from '../../../src/api/overview.ts';
import type { SatellitePage } from '../../../src/api/satellites.ts';
import type { FleetLine } from '../../../src/api/watch.ts';
import { connectBus } from '../../../src/bus/connect.ts';
import { HEARTBEAT_MS, encode } from '../../../src/bus/frames.ts';
import { subjects } from '../../../src/bus/subjects.ts';
import { heartbeat } from '../../../src/satellite/heartbeat.ts';
import { loadTables } from '../../../src/satellite/table.ts';
import { openConsole, rowsOf, type ConsoleUnderTest } from '../../support/console-browser.ts';
import { API_TOKEN, open, until } from '../../support/local-cloud.ts';
import { showPageOnFailure } from '../../support/page-on-failure.ts';

/**
 * A fleet of two thousand: what an open watch costs, and that the console stays usable. The test beats for them, as the
 * cloud's own client may.
 */
const COUNT = 2_000;
const ROUNDS = 3;
const ids = Array.from({ length: COUNT }, (_, n) => `f${String(n).padStart(4, '0')}`);
const followed = ids.slice(100, 200);

let console: ConsoleUnderTest;
let bus: NatsConnection;
const messages = new Map<string, string>();
let page: Page;

/** Those that beat now. */
const beating = new Set(ids);
let beats: NodeJS.Timeout;

function beat(): void {
  for (const id of beating) {
    bus.publish(subjects.heartbeat(id), messages.get(id) ?? '');
  }
}

const overview = (): Promise<Overview> => console.api('GET', '/api/v1/overview') as Promise<Overview>;
const list = (query: string): Promise<SatellitePage> =>
  console.api('GET', `/api/v1/satellites?${query}`) as Promise<SatellitePage>;

interface Watched {
  bytes: number;
  fleet: FleetLine[];
  close(): void;
}

async function watch(query: string): Promise<Watched> {
  const response: IncomingMessage = await open(console.clouds, console.node, `/api/v1/watch?${query}`, {
    headers: { authorization: `Bearer ${API_TOKEN}` },
  });
  const watched: Watched = { bytes: 0, fleet: [], close: () => response.destroy() };
  let text = '';
  response.on('error', () => undefined);
  response.on('data', (chunk: Buffer) => {
    watched.bytes += chunk.length;
    text += chunk.toString('utf8');
    const events = text.split('\n\n');
    text = events.pop() ?? '';
    for (const event of events) {
      if (event.startsWith('event: fleet')) {
        watched.fleet.push(JSON.parse(event.slice(event.indexOf('data: ') + 6)) as FleetLine);
      }
    }
  });
  await until('the watch to begin', () => (watched.bytes > 0 ? true : undefined));
  return watched;
}

showPageOnFailure(t, () => page);
t.before(async () => {
  console = await openConsole([], ['n1'], ids);
  const tables = await loadTables();
  for (const id of ['n1', ...ids]) {
    messages.set(
      id,
      encode(heartbeat({ id, node: id, tables, directPort: () => undefined, certificateEnds: () => undefined })),
    );
  }
  bus = await connectBus({
    servers: [`127.0.0.1:${console.clouds.ports.nats}`],
    tls: console.clouds.files.cloudTls('n1'),
    name: 'test',
    onlyThese: true,
  });
  page = await console.open();
  beat();
  beats = setInterval(beat, HEARTBEAT_MS);
});
t.teardown(async () => {
  clearInterval(beats);
  await bus?.close();
  await console?.stop();
});

t.test('all are there, counted in an overview that stays small', async (t) => {
  const seen = await until('all to be healthy', async () => {
    const found = await overview();
    return found.satellites.counts.healthy === COUNT ? found : undefined;
  });
  t.ok(JSON.stringify(seen).length < 20_000);
  const found: string[] = [];
  for (let next: string | null = ''; next !== null;) {
    const part: SatellitePage = await list(`limit=500&tables=none${next === '' ? '' : `&cursor=${next}`}`);
    t.equal(part.matched, COUNT);
    found.push(...part.items.map((s) => s.id));
    next = part.next;
  }
  t.same(found, ids, 'by pages each one once');
});

t.test('thousands of heartbeats are a few kilobytes to who looks at a hundred', async (t) => {
  const began = Date.now();
  const watched = await watch(`topics=overview,fleet&follow=${followed.join()}`);
  // Where the machine is too slow for their heartbeats, they are told as changed.
  const told = (): [string, string][] =>
    watched.fleet.flatMap((l) => [...l.beats, ...l.items]).map((s) => [s.id, s.lastSeen]);
  await until('some heartbeats of each', () => {
    const times = Map.groupBy(new Set(told().map((one) => one.join(' '))), (one) => one.split(' ')[0]);
    return followed.every((id) => (times.get(id)?.length ?? 0) >= ROUNDS) ? true : undefined;
  });
  const found = watched.fleet.flatMap((l) => l.beats);
  const changed = watched.fleet.flatMap((l) => l.items);
  t.same(
    [...new Set(found.map((b) => b.id))].filter((id) => !followed.includes(id)),
    [],
    'of no others',
  );
  t.ok(watched.fleet.length <= (Date.now() - began) / 1000 + 2, 'one event a second, at most');
  // Each beat is about a hundred bytes; the whole fleet would be five megabytes a time.
  t.ok(watched.bytes < 40_000 + found.length * 150 + changed.length * 1_000, `${watched.bytes} bytes`);
  t.comment(
    `${watched.bytes} bytes for some ${ROUNDS * COUNT} heartbeats; ${found.length} told, ${changed.length} changes`,
  );
  watched.close();
});

t.test('what changes is told once, whoever is followed', async (t) => {
  const watched = await watch('topics=fleet');
  beating.add('n1');
  const line = await until('the new one', () => watched.fleet.find((l) => l.items.some((s) => s.id === 'n1')));
  t.match(
    line.items.find((s) => s.id === 'n1'),
    { state: 'healthy', tables: [] },
  );
  t.same(line.beats, []);
  await console.api('PATCH', '/api/v1/satellites/n1', { name: 'The first', tags: { place: 'cellar' } });
  await until('its name', () =>
    watched.fleet.find((l) => l.items.some((s) => s.id === 'n1' && s.name === 'The first')),
  );
  t.match(await list('tags=place=cellar'), { matched: 1, items: [{ id: 'n1' }] });
  watched.close();
});

t.test('the console shows pages of them, finds one, and is told of its heartbeats', async (t) => {
  await console.logIn(page);
  await page.getByText(`All ${COUNT + 1} satellites`).click();
  await page.locator('[data-kind=satellite-list] tbody tr').nth(99).waitFor();
  t.equal((await rowsOf(page, 'satellite-list')).length, 100);
  await page.getByText(`1 to 100 of ${COUNT + 1}`).waitFor();
  await page.getByRole('button', { name: 'Next' }).click();
  await page.getByText(`101 to 200 of ${COUNT + 1}`).waitFor();
  t.equal((await rowsOf(page, 'satellite-list'))[0]?.[0], ids[100]);
  await page.getByRole('button', { name: 'Previous' }).click();
  await page.getByText(`1 to 100 of ${COUNT + 1}`).waitFor();

  await page.getByLabel('Filter satellites').fill('f1234');
  await page.getByText(`1 of ${COUNT + 1}`).waitFor();
  await page.getByLabel('Filter satellites').fill('');
  await page.getByLabel('Sorted by').selectOption('state');
  await page.getByText(`1 to 100 of ${COUNT + 1}`).waitFor();
  // The first hundred say nothing any more: they come to the front, and the others stay healthy.
  for (const id of ids.slice(0, 100)) {
    beating.delete(id);
  }
  await until(
    'the silent ones',
    async () => {
      const rows = await rowsOf(page, 'satellite-list');
      return rows.map((r) => r[0]).join() === ids.slice(0, 100).join() && rows.every((r) => r[1] !== 'healthy')
        ? true
        : undefined;
    },
    90_000,
  );
  await until('the others', async () =>
    (await overview()).satellites.counts.healthy === COUNT + 1 - 100 ? true : undefined,
  );
  for (const id of ids) {
    beating.add(id);
  }
});

t.test('the query page chooses among them', async (t) => {
  await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Query', exact: true }).click();
  await page.getByText(`Satellites: ${COUNT + 1} of ${COUNT + 1}`).waitFor();
  await page.getByLabel('Filter the satellites to choose from').fill('f1999');
  await page.getByRole('button', { name: 'Only these 1' }).click();
  await page.getByText(`Satellites: 1 of ${COUNT + 1}`).waitFor();
  await page.locator('[data-kind=schema] summary', { hasText: 'processes' }).waitFor();
  t.equal(await page.locator('.chip').count(), 1);
});

t.test('nothing is in the log of the browser', async (t) => t.same(console.complaints, []));
