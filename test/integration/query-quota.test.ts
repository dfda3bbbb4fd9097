import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Page } from '../../src/api/page.ts';
import type { ScheduleRun } from '../../src/api/schedules.ts';
import { MAX_QUERIES_OF_USER } from '../../src/cloud/queries.ts';
import { firstTime } from '../../src/store/schedule-times.ts';
import {
  API_TOKEN,
  PASSWORD,
  call,
  localClouds,
  operator,
  until,
  type Answer,
  type LocalClouds,
} from '../support/local-cloud.ts';
import { querySocket, type QuerySocket } from '../support/query-socket.ts';
import { testSatellite, type TestSatellite } from '../support/satellites.ts';

/**
 * What one user may have under way in an instance, by a session and a token of his, and what that leaves to the others.
 */
const node = { name: 'n1', address: '127.0.0.1' };
/** Each runs four statements at once; the second one has a place left beside three of ten. */
const ids = ['s1', 's2', 's3'];
const EVERY = 30;
/** A schedule of this name begins within a second of its making. */
const soon =
  Array.from({ length: 1000 }, (_, n) => `soon-${n}`).find((id) => firstTime(id, EVERY * 1000, 0) < 1000) ?? 'soon';
const byToken = { authorization: `Bearer ${API_TOKEN}` };
let clouds: LocalClouds;
let satellites: TestSatellite[];
let socket: QuerySocket;
let bySession: Record<string, string>;
let other: Record<string, string>;

t.before(async () => {
  clouds = await localClouds([node], { satellites: ids });
  await clouds.start(node);
  satellites = ids.map((id) => testSatellite(clouds, node, id));
  for (const s of satellites) {
    s.start();
  }
  await Promise.all(satellites.map((s) => s.heard()));
  const login = await call(clouds, node, '/api/v1/login', { body: { user: 'admin', password: PASSWORD } });
  bySession = { authorization: `Bearer ${(JSON.parse(login.body) as { token: string }).token}` };
  other = await operator(clouds, node, 'eva');
  socket = await querySocket(clouds, node, byToken);
});
t.teardown(async () => {
  socket.ws.terminate();
  await Promise.all(satellites.map((s) => s.kill()));
  await clouds.stop();
});

const ask = (headers: Record<string, string>): Promise<Answer> =>
  call(clouds, node, '/api/v1/queries', { headers, body: { sql: 'select 1', satellites: ['s2'], timeoutMs: 60_000 } });
const api = (method: string, path: string, body?: unknown): Promise<Answer> =>
  call(clouds, node, `/api/v1/${path}`, { method, headers: byToken, ...(body === undefined ? {} : { body }) });
const active = async (): Promise<number> =>
  Number(/^terrarium_queries\S* (\d+)$/m.exec((await call(clouds, node, '/metrics', { headers: byToken })).body)?.[1]);
const runsOf = async (id: string): Promise<ScheduleRun[]> =>
  (JSON.parse((await api('GET', `schedules/${id}/runs`)).body) as Page<ScheduleRun>).items;

t.test(
  'a user has ten queries at once, by whatever way, and is refused more; others and schedules go on',
  { timeout: 300_000 },
  async (t) => {
    // A reader that takes a little now and then holds them, without work for anybody; one that takes nothing for 30 s
    // would be gone.
    const sql = 'with recursive c(x) as (select 1 union all select x + 1 from c) select x, hex(zeroblob(2000)) from c';
    for (let i = 0; i < MAX_QUERIES_OF_USER; i += 1) {
      socket.say({
        id: `held ${i}`,
        query: { sql, satellites: [ids[i % ids.length] ?? ''], timeoutMs: 60_000, maxRows: 1_000_000 },
      });
    }
    socket.ws.pause();
    const reading = setInterval(() => {
      socket.ws.resume();
      setTimeout(() => socket.ws.pause(), 20);
    }, 5_000);
    t.teardown(() => clearInterval(reading));
    await until('ten queries', async () => ((await active()) === MAX_QUERIES_OF_USER ? true : undefined));

    for (const headers of [byToken, bySession]) {
      const refused = await ask(headers);
      t.equal(refused.status, 429, refused.body);
      t.match(JSON.parse(refused.body), {
        type: 'urn:terrarium:problem:too-many-queries',
        title: 'admin already runs 10 queries on this instance.',
        status: 429,
      });
      t.equal(refused.headers['retry-after'], '5');
    }
    const second = await querySocket(clouds, node, byToken);
    await t.rejects(second.ask({ sql: 'select 1' }), /too-many-queries/);
    await second.close();
    t.match((await ask(other)).body, '[[1]]', 'somebody else is answered');

    // What is due is nobody's; a run that he asks for is his.
    t.equal(
      (
        await api('PUT', `schedules/${soon}`, {
          name: soon,
          sql: 'select 1',
          satellites: ['nobody'],
          everySeconds: EVERY,
        })
      ).status,
      200,
    );
    const run = await until('the run that is due', async () => (await runsOf(soon)).find((r) => r.state !== 'running'));
    t.match(run, { cause: 'due', reason: /There is no satellite nobody/ });
    t.equal(await active(), MAX_QUERIES_OF_USER, 'all ten were there until now');
    const asked = await api('POST', `schedules/${soon}/runs`);
    t.equal(asked.status, 429, asked.body);
    t.match(JSON.parse(asked.body), { type: 'urn:terrarium:problem:too-many-queries' });
    t.notOk(
      (await runsOf(soon)).some((r) => r.cause === 'asked'),
      'and has not begun',
    );

    clearInterval(reading);
    await sleep(50);
    socket.ws.resume();
    for (let i = 0; i < MAX_QUERIES_OF_USER; i += 1) {
      socket.say({ id: `held ${i}`, cancel: true });
    }
    await until('them to be over', async () => ((await active()) === 0 ? true : undefined));
    t.match((await ask(bySession)).body, '[[1]]', 'and he is answered again');
    t.equal((await api('POST', `schedules/${soon}/runs`)).status, 201);
  },
);
