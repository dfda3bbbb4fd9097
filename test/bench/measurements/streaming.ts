import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import WebSocket, { type RawData } from 'ws';
import type { StreamRequest } from '../../../src/api/queries.ts';
import { connectBus } from '../../../src/bus/connect.ts';
import { BATCH } from '../../../src/bus/frames.ts';
import { API_PATHS } from '../../../src/cloud/api-paths.ts';
import { API_TOKEN, localClouds, type LocalClouds } from '../../support/local-cloud.ts';
import { childrenOf, processorMs, resident, watchResident } from '../../support/memory.ts';
import { testSatellite } from '../../support/satellites.ts';
import { table, type Measurement } from '../measurement.ts';
import { startPeer } from '../support/peer.ts';
import { COMMAND, REMARK } from '../support/terrarium-command.ts';

const MEGABYTES = 200;
const ROUNDS = 3;
const MIB = 1024 ** 2;

const node = { name: 'n1', address: '127.0.0.1' };

interface Run {
  bytes: number;
  ms: number;
}

/** Rows of about a thousand bytes, which cost SQLite next to nothing: it is the way that is measured. */
function request(id: string, megabytes: number): StreamRequest {
  const text = 'x'.repeat(985);
  const sql =
    `with recursive c(x) as (select 1 union all select x + 1 from c where x < ${megabytes * 1000}) select x, ` +
    `'${text}' from c`;
  return { id, query: { sql, satellites: ['s1'], maxRows: 1_000_000, maxBytes: 2 ** 30, timeoutMs: 60_000 } };
}

/** Reads as a program does that only counts: what a browser makes of the rows is not the product's. */
function stream(ws: WebSocket, megabytes: number): Promise<Run> {
  return new Promise((resolve, reject) => {
    let bytes = 0;
    const began = performance.now();
    const take = (data: RawData): void => {
      const { length } = data as Buffer;
      bytes += length;
      if (length > 2_000) {
        return;
      }
      const line = JSON.parse(String(data)) as { done?: true; rows?: unknown; error?: unknown; problem?: unknown };
      if (line.error !== undefined || line.problem !== undefined) {
        reject(new Error(String(data)));
      }
      if (line.done !== true) {
        return;
      }
      ws.off('message', take);
      if (line.rows === megabytes * 1000) {
        resolve({ bytes, ms: performance.now() - began });
      } else {
        reject(new Error(`not all rows: ${String(data)}`));
      }
    };
    ws.on('message', take);
    ws.send(JSON.stringify(request(String(began), megabytes)));
  });
}

interface RawWay {
  run(megabytes: number): Promise<Run>;
  stop(): Promise<unknown>;
}

async function raw(clouds: LocalClouds): Promise<RawWay> {
  const options = { servers: [`${node.address}:${clouds.ports.nats}`], tls: clouds.files.cloudTls(node.name) };
  const publisher = await startPeer('nats-publish.ts', { ...options, bytes: BATCH.bytes });
  const nc = await connectBus({ ...options, name: 'subscriber' });
  let bytes = 0;
  let arrived: (() => void) | undefined;
  let awaited = 0;
  nc.subscribe('bench.stream', {
    callback(_, msg) {
      bytes += msg.data.length;
      if (bytes >= awaited) {
        arrived?.();
      }
    },
  });
  await nc.flush();
  return {
    async run(megabytes) {
      const count = Math.ceil((megabytes * 1e6) / BATCH.bytes);
      bytes = 0;
      awaited = count * BATCH.bytes;
      const all = new Promise<void>((resolve) => (arrived = resolve));
      const began = performance.now();
      const sent = publisher.ask(String(count));
      await all;
      const ms = performance.now() - began;
      await sent;
      return { bytes, ms };
    },
    stop: () => Promise.all([nc.close(), publisher.stop()]),
  };
}

const rate = ({ bytes, ms }: Run): number => bytes / 1e6 / (ms / 1000);
const median = (values: number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/** A sum for each process, or for several together, by their name. */
type Sums = Record<string, number>;

function sumsOf(processes: Record<string, number[]>, of: (pid: number) => number): Sums {
  return Object.fromEntries(
    Object.entries(processes).map(([name, pids]) => [name, pids.reduce((sum, pid) => sum + of(pid), 0)]),
  );
}

interface Rounds {
  runs: { ours: Run; raw: Run }[];
  /** Resident memory before, and at most meanwhile; bytes. */
  before: Sums;
  most: Sums;
  /** Processor time of a round of Terrarium's, ms. */
  worked: Sums;
}

/** Streams by both ways in turn, and watches the processes while it is Terrarium's. */
async function measure(
  ways: { ours(megabytes: number): Promise<Run>; raw(megabytes: number): Promise<Run> },
  processes: Record<string, number[]>,
  say: (line: string) => void,
): Promise<Rounds> {
  const idle = sumsOf(processes, resident);
  const most: Sums = {};
  const worked: Sums = {};
  const runs: Rounds['runs'] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    say(`${MEGABYTES} MB, round ${round + 1} of ${ROUNDS}`);
    const before = sumsOf(processes, processorMs);
    const watches = Object.entries(processes).map(([name, pids]) => ({
      name,
      ends: pids.map((pid) => watchResident(pid)),
    }));
    const ours = await ways.ours(MEGABYTES);
    for (const { name, ends } of watches) {
      most[name] = Math.max(
        most[name] ?? 0,
        ends.reduce((sum, end) => sum + end(), 0),
      );
    }
    for (const [name, ms] of Object.entries(sumsOf(processes, processorMs))) {
      worked[name] = (worked[name] ?? 0) + (ms - (before[name] ?? 0)) / ROUNDS;
    }
    runs.push({ ours, raw: await ways.raw(MEGABYTES) });
  }
  return { runs, before: idle, most, worked };
}

/**
 * @param ours MB a second.
 * @param theirs MB a second.
 */
function markdownOf({ before, most, worked }: Rounds, ours: number, theirs: number): string {
  return [
    `${MEGABYTES} MB from one satellite through one cloud to one WebSocket, and as many in messages of ` +
      `${BATCH.bytes / 1024} KiB from one NATS client to another through the same server, all over TLS on one ` +
      `machine; the median of ${ROUNDS} rounds in turn.${REMARK}`,
    '',
    table(
      ['way', 'MB/s'],
      [
        ['Terrarium: SQL rows as JSON, satellite → NATS → cloud → WebSocket', ours.toFixed(0)],
        ['raw NATS, one publisher and one subscriber', theirs.toFixed(0)],
        ['ratio (goal 0.7)', (ours / theirs).toFixed(2)],
      ],
    ),
    '',
    `Processor time of a round of Terrarium's, on ${availableParallelism()} processors, and resident memory:`,
    '',
    table(
      ['process', 's', 'MiB before', 'MiB at most'],
      Object.keys(before).map((name) => [
        name,
        ((worked[name] ?? 0) / 1000).toFixed(2),
        ...[before, most].map((of) => ((of[name] ?? 0) / MIB).toFixed(0)),
      ]),
    ),
  ].join('\n');
}

export const measurement: Measurement = {
  title: 'Streaming of a result',
  needsLab: false,
  async run(say) {
    const clouds = await localClouds([node], { satellites: ['s1'], command: COMMAND });
    const stops: (() => Promise<unknown>)[] = [() => clouds.stop()];
    try {
      const cloud = (await clouds.start(node)).pid ?? 0;
      const satellite = testSatellite(clouds, node, 's1');
      stops.unshift(() => satellite.kill());
      satellite.start();
      await satellite.heard();
      const ws = new WebSocket(`wss://${node.address}:${clouds.ports.console}${API_PATHS.queryStream}`, {
        ca: clouds.files.authority.cert,
        headers: { authorization: `Bearer ${API_TOKEN}` },
        perMessageDeflate: false,
      });
      stops.unshift(async () => ws.terminate());
      await once(ws, 'open');
      const nats = await raw(clouds);
      stops.unshift(() => nats.stop());
      await stream(ws, 10);
      await nats.run(10);
      const [server = 0] = childrenOf(cloud);
      const statements = childrenOf(satellite.pid);
      const processes: Record<string, number[]> = {
        cloud: [cloud],
        'nats-server': [server],
        satellite: [satellite.pid],
        'its processes for statements, together': statements,
        'the client, and what measures': [process.pid],
      };
      const rounds = await measure(
        { ours: (megabytes) => stream(ws, megabytes), raw: (megabytes) => nats.run(megabytes) },
        processes,
        say,
      );
      const { runs, before, most, worked } = rounds;
      const ours = median(runs.map((r) => rate(r.ours)));
      const theirs = median(runs.map((r) => rate(r.raw)));
      return {
        data: {
          megabytes: MEGABYTES,
          ratio: ours / theirs,
          runs,
          processorMs: worked,
          memory: { before, most },
        },
        markdown: markdownOf(rounds, ours, theirs),
      };
    } finally {
      for (const stop of stops) {
        await stop();
      }
    }
  },
};
