import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { collectGarbage } from '../support/garbage.ts';
import { API_TOKEN, localClouds, type LocalClouds } from '../support/local-cloud.ts';
import { childrenOf, resident, watchResident } from '../support/memory.ts';
import { querySocket, type QuerySocket } from '../support/query-socket.ts';
import { testSatellite, type TestSatellite } from '../support/satellites.ts';

/** A fast satellite and a reader of 1 MB/s. TERRARIUM_SLOW_MB: how much it reads (default 24; 200 in long/). */
const MEGABYTES = Number(process.env['TERRARIUM_SLOW_MB'] ?? 24);
const RATE = 1_000_000;
/** Half-way somebody who buffers has at least the other half. */
const MAX_GROWTH = Math.min(32 * 1024 * 1024, (MEGABYTES * 1_000_000) / 2);

const node = { name: 'n1', address: '127.0.0.1' };
let clouds: LocalClouds;
let cloudPid: number;
let satellite: TestSatellite;
let socket: QuerySocket;

t.before(async () => {
  clouds = await localClouds([node], { satellites: ['fast'] });
  cloudPid = (await clouds.start(node)).pid ?? 0;
  satellite = testSatellite(clouds, node, 'fast');
  satellite.start();
  await satellite.heard();
  socket = await querySocket(clouds, node, { authorization: `Bearer ${API_TOKEN}` });
});
t.teardown(async () => {
  await socket.close();
  await satellite.kill();
  await clouds.stop();
});

/** Rows of a thousand bytes. */
const ROWS =
  `with recursive c(x) as (select 1 union all select x + 1 from c where x < ${MEGABYTES * 1000}) select x, ` +
  'hex(randomblob(495)) from c';
const QUERY = { sql: ROWS, maxRows: 1_000_000, maxBytes: 1024 ** 3, timeoutMs: 60_000, satellites: ['fast'] };

t.test(`${MEGABYTES} MB to a reader of 1 MB/s: memory stays bounded on all sides`, { timeout: 0 }, async (t) => {
  // Processes for statements and their heaps are there after a first one.
  await socket.ask(QUERY, () => undefined);
  await collectGarbage(cloudPid);
  const kept = { from: resident(cloudPid), half: undefined as Promise<number> | undefined };
  const pids: Record<string, number> = { satellite: satellite.pid };
  for (const pid of childrenOf(cloudPid)) {
    pids['nats-server'] = pid;
  }
  for (const [i, pid] of childrenOf(satellite.pid).entries()) {
    pids[`statement ${i}`] = pid;
  }
  // One that has not had a statement yet grows to what the other one has already.
  const used = Math.max(...childrenOf(satellite.pid).map(resident));
  const before = Object.entries(pids).map(([name, pid]) => ({
    name,
    from: name.startsWith('statement') ? used : resident(pid),
    most: watchResident(pid),
  }));
  let bytes = 0;
  let rows = 0;
  const began = Date.now();
  socket.ws.on('message', (data: Buffer) => {
    bytes += data.length;
    if (bytes > (MEGABYTES * 1_000_000) / 2) {
      kept.half ??= collectGarbage(cloudPid).then(() => resident(cloudPid));
    }
    const ahead = (bytes / RATE) * 1000 - (Date.now() - began);
    if (ahead < 20) {
      return;
    }
    socket.ws.pause();
    void sleep(ahead).then(() => socket.ws.resume());
  });
  let last: unknown;
  await socket.ask(QUERY, (line) => {
    if ('seq' in line && 'rows' in line) {
      rows += line.rows.length;
    }
    last = line;
  });
  const took = (Date.now() - began) / 1000;
  t.match(last, { done: true, satellites: { fast: 'rows' } });
  t.equal(rows, MEGABYTES * 1000, 'every row arrived');
  t.ok(took > MEGABYTES * 0.9, `the reader took ${took.toFixed(0)} s`);
  const grown = ((await kept.half) ?? Infinity) - kept.from;
  t.ok(
    grown < MAX_GROWTH,
    `cloud: ${(kept.from / 1024 ** 2).toFixed(0)} MiB, half-way and without garbage ` +
      `${(grown / 1024 ** 2).toFixed(1)} MiB more`,
  );
  for (const { name, from, most } of before) {
    const more = most() - from;
    t.ok(
      more < MAX_GROWTH,
      `${name}: ${(from / 1024 ** 2).toFixed(0)} MiB, at most ${(more / 1024 ** 2).toFixed(1)} MiB more`,
    );
  }
});
