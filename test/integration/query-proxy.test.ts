import type { NatsConnection } from '@nats-io/transport-node';
import t from 'tap';
import type { QueryLine } from '../../src/api/queries.ts';
import { connectBus } from '../../src/bus/connect.ts';
import {
  CREDITS,
  LOST_MS,
  PART_CHARS,
  decode,
  encode,
  messagesOf,
  queryRequestSchema,
  type Frame,
  type PartFrame,
  type QueryRequest,
} from '../../src/bus/frames.ts';
import type { BusServer } from '../../src/bus/server.ts';
import { subjects } from '../../src/bus/subjects.ts';
import { createQueryProxy, type QueryProxy } from '../../src/cloud/queries.ts';
import { busFiles, freePorts, type BusFiles } from '../support/bus-files.ts';
import { until } from '../support/local-cloud.ts';
import { standaloneBusServer } from './support/bus-server.ts';
import { creditTests } from './support/query-proxy/credits.ts';
import { fakeSatellite } from './support/query-proxy/fake.ts';
import { runQuery, type ProxyWorld } from './support/query-proxy/world.ts';

/** The proxy against satellites that behave as each test wants, over a real bus. */
let files: BusFiles;
let server: BusServer;
let cloud: NatsConnection;
let proxy: QueryProxy;
const satellites = new Map<string, NatsConnection>();
const known = ['s1', 's2', 's3'];
const world: ProxyWorld = {
  fake: (sat, answer) => {
    const nc = satellites.get(sat);
    if (nc === undefined) {
      throw new Error(`no satellite ${sat}`);
    }
    return fakeSatellite(nc, sat, answer);
  },
  run: (sats, options) => runQuery(proxy, sats, options),
};
const { fake, run } = world;

t.before(async () => {
  const [port = 0, websocketPort = 0] = await freePorts(2);
  files = await busFiles(['n1', ...known].map((name) => ({ name, address: '127.0.0.1' })));
  server = standaloneBusServer(files, { port, websocketPort, satellites: known });
  await server.start();
  const servers = [`127.0.0.1:${port}`];
  cloud = await connectBus({ servers, tls: files.cloudTls('n1'), name: 'cloud' });
  for (const s of known) {
    satellites.set(s, await connectBus({ servers, tls: files.satelliteTls(s), name: s }));
  }
  proxy = createQueryProxy({
    instance: 'n1',
    nc: cloud,
    isKnown: (sat) => [...known, 'silent'].includes(sat),
    log: () => undefined,
  });
});

t.teardown(async () => {
  proxy.stop();
  await Promise.all([...satellites.values(), cloud].map((nc) => nc.close()));
  await server.stop();
  files.remove();
});

t.test(
  'rows, none, an error, a refusal, one unknown and one not connected: the states sum to what was asked',
  async (t) => {
    const fakes = [
      await fake('s1', ({ q }, send) => {
        send({ q, sat: 's1', alive: true });
        send({ q, sat: 's1', seq: 0, columns: ['a'], rows: [[1], [2]] });
        send({ q, sat: 's1', seq: 1, rows: [[3]] });
        send({ q, sat: 's1', seq: 2, end: { rows: 3, ms: 1.5, truncated: 'rows' } });
      }),
      await fake('s2', ({ q }, send) => {
        send({ q, sat: 's2', seq: 0, columns: ['a'], rows: [] });
        send({ q, sat: 's2', seq: 1, end: { rows: 0, ms: 1 } });
      }),
      await fake('s3', ({ q }, send) => send({ q, sat: 's3', seq: 0, error: { code: 'query.denied', message: 'no' } })),
    ];
    const { lines, done } = await run(['s1', 's2', 's3', 'silent', 'nobody']);
    t.same(done.satellites, { s1: 'rows', s2: 'empty', s3: 'denied', silent: 'lost', nobody: 'error' });
    t.equal(done.rows, 3);
    t.match(
      lines.filter((l) => 'sat' in l && l.sat === 's1'),
      [{ seq: 0, columns: ['a'], rows: [[1], [2]] }, { seq: 1, rows: [[3]] }, { end: { rows: 3, truncated: 'rows' } }],
    );
    t.match(
      lines.find((l) => 'error' in l && l.sat === 'silent'),
      { error: { code: 'satellite.lost' } },
    );
    t.match(
      lines.find((l) => 'error' in l && l.sat === 'nobody'),
      { error: { code: 'satellite.unknown' } },
    );
    fakes.forEach((f) => f.stop());
  },
);

t.test('a gap in the batches is an error, not fewer rows', async (t) => {
  const s1 = await fake('s1', ({ q }, send) => {
    send({ q, sat: 's1', seq: 0, columns: ['a'], rows: [[1]] });
    send({ q, sat: 's1', seq: 2, rows: [[3]] });
    send({ q, sat: 's1', seq: 3, end: { rows: 3, ms: 1 } });
  });
  const { lines, done } = await run(['s1']);
  t.same(done.satellites, { s1: 'error' });
  t.match(
    lines.find((l) => 'error' in l),
    { error: { code: 'bus.gap' } },
  );
  await until('the cancel', () => (s1.cancelled.length === 1 ? true : undefined));
  s1.stop();
});

t.test('more batches than credits are refused', async (t) => {
  const s1 = await fake('s1', ({ q }, send) => {
    for (let seq = 0; seq < CREDITS + 1; seq += 1) {
      send({ q, sat: 's1', seq, rows: [[seq]] });
    }
  });
  const held = Promise.withResolvers<void>();
  const running = run(['s1'], { write: () => held.promise });
  await until('the cancel', () => (s1.cancelled.length === 1 ? true : undefined));
  held.resolve();
  const { lines, done } = await running;
  t.same(done.satellites, { s1: 'error' });
  t.match(
    lines.find((l) => 'error' in l),
    { error: { code: 'bus.credit' } },
  );
  s1.stop();
});

t.test(
  'a batch that comes in parts is put together; one that lacks a part, or has others than it says, is an error',
  async (t) => {
    const value = 'x'.repeat(3 * PART_CHARS);
    const parts = (q: string, seq: number): PartFrame[] =>
      messagesOf(encode({ q, sat: 's1', seq, columns: ['a'], rows: [[value]] }), { q, sat: 's1', seq }).map(
        (m) => JSON.parse(m) as PartFrame,
      );
    const cases: [string, (frames: PartFrame[], q: string) => Frame[], string | undefined][] = [
      ['as they are', (frames) => frames, undefined],
      [
        'with signs of life between',
        (frames, q) => frames.flatMap((f): Frame[] => [f, { q, sat: 's1', alive: true }]),
        undefined,
      ],
      ['one missing', (frames) => frames.filter((_, i) => i !== 1), 'bus.gap'],
      ['the first missing', (frames) => frames.slice(1), 'bus.gap'],
      [
        'a batch in the midst',
        (frames, q) => [...frames.slice(0, 2), { q, sat: 's1', seq: 0, rows: [[1]] }],
        'bus.gap',
      ],
      [
        'of another satellite',
        (frames) => frames.map((f) => ({ ...f, text: f.text.replace('"sat":"s1"', '"sat":"s2"') })),
        'bus.frame',
      ],
      ['no batch at all', (frames) => frames.map((f) => ({ ...f, text: 'x' })), 'bus.frame'],
    ];
    for (const [what, frames, code] of cases) {
      const s1 = await fake('s1', ({ q }, send) => {
        for (const frame of frames(parts(q, 0), q)) {
          send(frame);
        }
        send({ q, sat: 's1', seq: 1, end: { rows: 1, ms: 1 } });
      });
      const { lines, done } = await run(['s1']);
      t.same(done.satellites, { s1: code === undefined ? 'rows' : 'error' }, what);
      if (code === undefined) {
        t.ok(
          lines.some((l) => 'rows' in l && 'sat' in l && l.rows[0]?.[0] === value),
          what,
        );
      } else {
        t.match(
          lines.find((l) => 'error' in l),
          { error: { code } },
          what,
        );
      }
      s1.stop();
    }
  },
);

creditTests(t, world);

t.test('a satellite that falls silent is lost, and the others go on', async (t) => {
  const fakes = [
    await fake('s1', ({ q }, send) => send({ q, sat: 's1', seq: 0, columns: ['a'], rows: [[1]] })),
    await fake('s2', ({ q }, send) => {
      send({ q, sat: 's2', seq: 0, columns: ['a'], rows: [[1]] });
      send({ q, sat: 's2', seq: 1, end: { rows: 1, ms: 1 } });
    }),
  ];
  const began = Date.now();
  const { lines, done } = await run(['s1', 's2']);
  t.same(done.satellites, { s1: 'lost', s2: 'rows' });
  t.match(
    lines.find((l) => 'error' in l),
    { sat: 's1', error: { code: 'satellite.lost' } },
  );
  t.comment(`ended after ${Date.now() - began} ms, of which ${LOST_MS} are the silence`);
  fakes.forEach((f) => f.stop());
});

t.test('a satellite that is alive but never ends is stopped some time after the limit', async (t) => {
  const timers: NodeJS.Timeout[] = [];
  const s1 = await fake(
    's1',
    ({ q }, send) => void timers.push(setInterval(() => send({ q, sat: 's1', alive: true }), 200)),
  );
  const { lines, done } = await run(['s1'], { timeoutMs: 100 });
  timers.forEach((timer) => clearInterval(timer));
  t.same(done.satellites, { s1: 'error' });
  t.match(
    lines.find((l) => 'error' in l),
    { error: { code: 'query.timeout' } },
  );
  s1.stop();
});

t.test('a reader that takes nothing is a problem of its own, and cancels the query at the satellite', async (t) => {
  const s1 = await fake('s1', ({ q }, send) => send({ q, sat: 's1', seq: 0, columns: ['a'], rows: [[1]] }));
  const strict = createQueryProxy({
    instance: 'n1',
    nc: cloud,
    isKnown: () => true,
    log: () => undefined,
    idleMs: 500,
  });
  const stalled = strict.run(
    { sql: 'select 1', satellites: ['s1'], timeoutMs: 10_000, maxRows: 1000, maxBytes: 1e6 },
    { write: () => new Promise(() => undefined) },
    new AbortController().signal,
  );
  const error: unknown = await stalled.catch((thrown: unknown) => thrown);
  t.match(error, {
    problem: { status: 408, type: 'urn:terrarium:problem:idle-reader', title: 'The reader took nothing for 0.5 s.' },
  });
  await until('the cancel', () => (s1.cancelled[0] === s1.requests[0]?.q ? true : undefined));
  strict.stop();
  s1.stop();
});

t.test('a reader that goes away cancels the query at the satellite', async (t) => {
  const s1 = await fake('s1', ({ q }, send) => send({ q, sat: 's1', alive: true }));
  const abort = new AbortController();
  const running = run(['s1'], { signal: abort.signal });
  await until('the request', () => (s1.requests.length === 1 ? true : undefined));
  abort.abort(new Error('gone'));
  await t.rejects(running, 'gone');
  await until('the cancel', () => (s1.cancelled[0] === s1.requests[0]?.q ? true : undefined));
  t.equal(proxy.active(), 0);
  s1.stop();
});

t.test('a batch is passed on as it came, but for one that holds more than a batch', async (t) => {
  const jsons: (string | undefined)[] = [];
  const nc = satellites.get('s1') as NatsConnection;
  const subscription = nc.subscribe(subjects.query('s1'), {
    callback(_, msg) {
      const { q } = decode(queryRequestSchema, msg.string()) as QueryRequest;
      const texts = [
        `{"q":"${q}","sat":"s1","seq":0,"columns":["a"],"rows":[[1]]}`,
        `{"q":"${q}","sat":"s1","seq":1,"rows":[[2]],"id":"another","done":true}`,
        `{"q":"${q}","sat":"s1","seq":2,\n"rows":[[3]]}`,
        ` {"q":"${q}","sat":"s1","seq":3,"rows":[[4]]}`,
        `{"q":"${q}","sat":"s1","seq":4,"end":{"rows":4,"ms":1}}`,
      ];
      for (const text of texts) {
        msg.respond(text);
      }
    },
  });
  await nc.flush();
  const lines: QueryLine[] = [];
  await proxy.run(
    { sql: 'select 1', satellites: ['s1'], timeoutMs: 10_000, maxRows: 1000, maxBytes: 1e6 },
    {
      write: async (line, json) => {
        lines.push(line);
        jsons.push(json);
      },
    },
    new AbortController().signal,
  );
  subscription.unsubscribe();
  t.same(
    lines.flatMap((l) => ('seq' in l && 'rows' in l ? l.rows : [])),
    [[1], [2], [3], [4]],
  );
  t.same(JSON.parse(jsons[0] ?? ''), lines[0]);
  t.same(
    jsons.slice(1).filter((j) => j !== undefined),
    [],
    'neither what would say more than a batch, nor what is no line',
  );
  t.notOk('done' in (lines[1] as object) || 'id' in (lines[1] as object));
});

t.test('no answer of one satellite is taken for another', async (t) => {
  const s1 = await fake('s1', ({ q }, send) =>
    send({ q, sat: 's2', seq: 0, error: { code: 'query.denied', message: 'forged' } }),
  );
  const { lines } = await run(['s1']);
  t.match(lines, [{ sat: 's1', error: { code: 'bus.frame' } }, { done: true }]);
  s1.stop();
});
