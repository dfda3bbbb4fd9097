import { once } from 'node:events';
import { join } from 'node:path';
import WebSocket, { type RawData } from 'ws';
import type { QueryLine } from '../../../src/api/queries.ts';
import { connectBus } from '../../../src/bus/connect.ts';
import { MAX_QUERIES_OF_USER } from '../../../src/cloud/queries.ts';
import { API_TOKEN, localClouds, operator, type LocalClouds } from '../../support/local-cloud.ts';
import { querySocket } from '../../support/query-socket.ts';
import { testSatellite } from '../../support/satellites.ts';
import { table, type Measurement } from '../measurement.ts';
import { rounded, spread, timed, type Spread } from '../samples.ts';
import { startPeer } from '../support/peer.ts';
import { connectRedis, startRedis } from '../support/redis.ts';
import { COMMAND, REMARK } from '../support/terrarium-command.ts';

const TIMES = 1_000;
const WARM_UPS = 500;
const AT_ONCE = [1, 50];
/** The ways take turns, so that a machine that slows down slows all of them. */
const ROUNDS = 5;
/** Six bytes, as in the seed. */
const MESSAGE = 'hello!';

const node = { name: 'n1', address: '127.0.0.1' };

/** A way for a message there and back. */
interface Way {
  name: string;
  once(): Promise<unknown>;
  /**
   * Milliseconds by the clock of the seed since it was asked last: it ends in the server, before the answer is written.
   */
  clock?(): Promise<number[]> | number[];
  stop(): Promise<unknown>;
}

async function message(clouds: LocalClouds): Promise<Way> {
  const socket = await querySocket(clouds, node, { authorization: `Bearer ${API_TOKEN}` });
  let clock: number[] = [];
  return {
    name: 'Terrarium, a message: WebSocket → cloud → NATS → satellite → back',
    once: async () => void clock.push(await socket.ping('s1', MESSAGE)),
    clock() {
      const taken = clock;
      clock = [];
      return taken;
    },
    stop: () => socket.close(),
  };
}

async function query(clouds: LocalClouds): Promise<Way> {
  // No user may have as many queries at once as are measured.
  const users = Array.from({ length: Math.ceil(Math.max(...AT_ONCE) / MAX_QUERIES_OF_USER) }, (_, n) => `asker-${n}`);
  const askers = await Promise.all(
    users.map(async (name) => ({
      socket: await querySocket(clouds, node, await operator(clouds, node, name)),
      asking: 0,
    })),
  );
  let clock: number[] = [];
  const answered = (lines: QueryLine[]): boolean =>
    lines.some((l) => 'seq' in l && 'rows' in l && l.rows[0]?.[0] === MESSAGE);
  return {
    name: 'Terrarium, a query: the same way, and SQL in a process of its own',
    async once() {
      const asker = askers.reduce((a, b) => (b.asking < a.asking ? b : a));
      asker.asking += 1;
      const lines = await asker.socket
        .ask({ sql: `select '${MESSAGE}'`, satellites: ['s1'] })
        .finally(() => (asker.asking -= 1));
      const done = lines.at(-1);
      if (!answered(lines) || done === undefined || !('done' in done)) {
        throw new Error(`not the answer: ${JSON.stringify(lines)}`);
      }
      clock.push(done.ms);
    },
    clock() {
      const taken = clock;
      clock = [];
      return taken;
    },
    stop: () => Promise.all(askers.map((a) => a.socket.close())),
  };
}

async function rawNats(clouds: LocalClouds): Promise<Way> {
  const servers = [`${node.address}:${clouds.ports.nats}`];
  const tls = clouds.files.cloudTls(node.name);
  const echo = await startPeer('nats-echo.ts', { servers, tls });
  const nc = await connectBus({ servers, tls, name: 'bench' });
  return {
    name: 'raw NATS request and reply, same server, same client options',
    async once() {
      if ((await nc.request('bench.echo', MESSAGE, { timeout: 10_000 })).string() !== MESSAGE) {
        throw new Error('not the answer');
      }
    },
    stop: () => Promise.all([nc.close(), echo.stop()]),
  };
}

/** Texts are told apart by a number in front, as there is only one connection. */
function pairs(): { ask(send: (text: string) => void): Promise<void>; answer(text: string): void } {
  const waiting = new Map<string, () => void>();
  let last = 0;
  return {
    ask: (send) =>
      new Promise((resolve) => {
        const text = `${String((last += 1)).padStart(9, '0')}${MESSAGE}`;
        waiting.set(text, resolve);
        send(text);
      }),
    answer(text) {
      waiting.get(text)?.();
      waiting.delete(text);
    },
  };
}

async function redis(_clouds: LocalClouds): Promise<Way> {
  const server = await startRedis();
  const echo = await startPeer('redis-echo.ts', { port: server.port });
  const { ask, answer } = pairs();
  const subscriber = await connectRedis(server.port, { channel: 'reply-topic', onMessage: answer });
  const publisher = await connectRedis(server.port);
  return {
    name: 'Redis publish and subscribe, there and back, without TLS',
    once: () => ask((text) => publisher.publish('query-topic', text)),
    async stop() {
      publisher.close();
      subscriber.close();
      await echo.stop();
      await server.stop();
    },
  };
}

async function webSockets(clouds: LocalClouds): Promise<Way> {
  const dir = join(clouds.files.data(node.name), 'cloud/tls');
  const files = { cert: join(dir, 'server.crt'), key: join(dir, 'server.key'), ca: join(dir, 'ca.crt') };
  const far = await startPeer<number>('ws-echo.ts', files);
  const near = await startPeer<number>('ws-echo.ts', { ...files, upstream: far.ready });
  const { ask, answer } = pairs();
  const ws = new WebSocket(`wss://127.0.0.1:${near.ready}`, {
    ca: clouds.files.authority.cert,
    perMessageDeflate: false,
  });
  ws.on('message', (data: RawData) => answer(String(data)));
  await once(ws, 'open');
  return {
    name: 'plain WebSocket echo over the same two hops',
    once: () => ask((text) => ws.send(text)),
    clock: () => near.ask<number[]>('clock'),
    async stop() {
      ws.terminate();
      await Promise.all([near.stop(), far.stop()]);
    },
  };
}

interface Samples {
  /** Client to client. */
  trip: number[];
  /** By the seed's clock. */
  clock: number[];
}

async function measure(ways: Way[], atOnce: number): Promise<Map<Way, Samples>> {
  const samples = new Map(ways.map((way): [Way, Samples] => [way, { trip: [], clock: [] }]));
  for (const way of ways) {
    await timed(WARM_UPS, atOnce, way.once);
    await way.clock?.();
  }
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [way, { trip, clock }] of samples) {
      trip.push(...(await timed(TIMES / ROUNDS, atOnce, way.once)));
      clock.push(...((await way.clock?.()) ?? []));
    }
  }
  return samples;
}

const ms = (n: number): string => n.toFixed(2);

export const measurement: Measurement = {
  title: 'Round trip of a message',
  needsLab: false,
  async run(say) {
    const clouds = await localClouds([node], { satellites: ['s1'], command: COMMAND });
    const ways: Way[] = [];
    const satellite = testSatellite(clouds, node, 's1');
    try {
      await clouds.start(node);
      satellite.start();
      await satellite.heard();
      for (const open of [message, query, rawNats, redis, webSockets]) {
        ways.push(await open(clouds));
      }
      const [ours, asked, raw] = ways as [Way, Way, Way];
      const results = [];
      for (const atOnce of AT_ONCE) {
        say(`${TIMES} messages, ${atOnce} at once`);
        results.push({ atOnce, samples: await measure(ways, atOnce) });
      }
      const rows = results.flatMap(({ atOnce, samples }) =>
        [...samples].flatMap(([way, { trip, clock }]) => {
          const line = (what: string, values: number[]): (string | number)[] => {
            const { p50, p95, p99, max } = spread(values);
            return [way.name, what, atOnce, ms(p50), ms(p95), ms(p99), ms(max)];
          };
          return [line('client to client', trip), ...(clock.length === 0 ? [] : [line('in the server', clock)])];
        }),
      );
      const ratios = results.map(({ atOnce, samples }) => {
        const [a, b, c] = [ours, asked, raw].map((way) => spread(samples.get(way)?.trip ?? [])) as [
          Spread,
          Spread,
          Spread,
        ];
        return {
          atOnce,
          message: { p50: a.p50 / c.p50, p99: a.p99 / c.p99 },
          query: { p50: b.p50 / c.p50, p99: b.p99 / c.p99 },
        };
      });
      const seed = spread(results[0]?.samples.get(ours)?.clock ?? []);
      const markdown = [
        `One cloud with its nats-server, one satellite, all on one machine; a message of ${MESSAGE.length} bytes, ` +
          `${TIMES} times after ${WARM_UPS} that do not count, in ${ROUNDS} rounds in turn; ms.${REMARK}`,
        'The clock in the server is that of the article *Building Kubernetes native SaaS applications*: it ends ' +
          'before the answer is written to the WebSocket (its figures, over NATS Streaming on three machines: p50 ' +
          '3.96, p95 4.62, p99 6.35).',
        '',
        table(['way', 'clock', 'at once', 'p50', 'p95', 'p99', 'max'], rows),
        '',
        ...ratios.map(
          (r) =>
            `- ${r.atOnce} at once, client to client, to raw NATS: a message p50 ${r.message.p50.toFixed(2)}, p99 ` +
            `${r.message.p99.toFixed(2)} (goal 2.0: ${r.message.p50 <= 2 ? 'kept' : 'missed'} at p50); a query p50 ` +
            `${r.query.p50.toFixed(2)}, p99 ${r.query.p99.toFixed(2)} (${r.query.p50 <= 2 ? 'kept' : 'missed'}).`,
        ),
        `- A message, one at a time, by the clock in the server: p50 ${ms(seed.p50)} (goal 1: ` +
          `${seed.p50 < 1 ? 'kept' : 'missed'}), p99 ${ms(seed.p99)} (goal 5: ${seed.p99 < 5 ? 'kept' : 'missed'}).`,
      ].join('\n');
      const data = {
        message: MESSAGE.length,
        warmUps: WARM_UPS,
        ratios,
        results: results.map(({ atOnce, samples }) => ({
          atOnce,
          ways: [...samples].map(([way, { trip, clock }]) => ({
            name: way.name,
            trip: { ...spread(trip), samples: rounded(trip) },
            ...(clock.length === 0 ? {} : { clock: { ...spread(clock), samples: rounded(clock) } }),
          })),
        })),
      };
      return { data, markdown };
    } finally {
      for (const way of ways) {
        await way.stop();
      }
      await satellite.kill();
      await clouds.stop();
    }
  },
};
