import { fork, type ChildProcess } from 'node:child_process';
import { RetentionPolicy, StorageType, jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { connectBus } from '../../../src/bus/connect.ts';
import { LIMITS } from '../../../src/store/core/options.ts';
import type { Replica } from '../../../src/store/replica.ts';
import { until } from '../../support/local-cloud.ts';
import { startCluster, type Member, type TestCluster } from '../../support/store-cluster.ts';
import type { Config } from '../../support/store-process.ts';
import { table, type Measurement } from '../measurement.ts';
import { rounded, spread, timed, type Spread } from '../samples.ts';

const INSTANCES = 3;
const ROUNDS = 5;
const WARM_UPS = 100;
/** Writes of a round, one at a time and many at once. */
const LOADS = [
  { atOnce: 1, times: 100 },
  { atOnce: 64, times: 1_000 },
] as const;

/** The other instances in processes of their own, as in a cluster: each applies every command. */
function others(cluster: TestCluster): ChildProcess[] {
  return cluster.members.slice(1).map((m: Member) => {
    const own = m.options.settings;
    const rest = cluster.members.map((x) => x.options.settings).filter((x) => x.node !== m.name);
    const config: Config = {
      self: m.name,
      dir: m.dir,
      streams: m.streams,
      servers: [own, ...rest].map((s) => `${s.address}:${s.port}`),
      tls: cluster.files.cloudTls(m.name),
      instances: cluster.members.map((x) => x.name),
    };
    return fork('test/support/store-process.ts', [JSON.stringify(config)], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
  });
}

interface Way {
  name: string;
  write(): Promise<void>;
}

interface Load {
  samples: number[];
  /** Of all rounds. */
  ms: number;
}

interface Result {
  atOnce: number;
  /** One for each way. */
  loads: (Spread & { name: string; perSecond: number; samples: number[] })[];
}

/** A connection to the first instance's server, with a stream for raw writes. */
async function rawStream(cluster: TestCluster, first: Member): Promise<NatsConnection> {
  const { address, port } = first.options.settings;
  const nc = await connectBus({
    servers: [`${address}:${port}`],
    tls: cluster.files.cloudTls(first.name),
    name: 'bench',
    onlyThese: true,
  });
  const manager = await jetstreamManager(nc);
  await manager.streams.add({
    name: 'BENCH',
    subjects: ['bench.write'],
    num_replicas: INSTANCES,
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    duplicate_window: 600_000_000_000,
    allow_direct: false,
  });
  return nc;
}

/** @returns the ways of writing, and how many bytes a raw write has: as many as an entry of the log. */
function waysOf(replica: Replica, nc: NatsConnection): { ways: Way[]; bytes: number } {
  const js = jetstream(nc);
  let n = 0;
  const args = (): object => ({
    id: `q${n % 50}`,
    owner: 'eva',
    name: `write ${n}`,
    sql: `select '${'x'.repeat(200)}'`,
    details: { n },
  });
  const payload = JSON.stringify({
    v: 1,
    kind: 'query.put',
    id: '01K0000000000000000000000A',
    at: Date.now(),
    actor: 'writer',
    args: args(),
  });
  const ways = [
    {
      name: 'Terrarium: proposed, logged by a quorum, applied here',
      async write() {
        n += 1;
        const { result } = await replica.propose({ kind: 'query.put', actor: 'writer', args: args() });
        if (!result.ok) {
          throw new Error(result.message);
        }
      },
    },
    {
      name: 'raw JetStream publish, three replicas, the same servers',
      async write() {
        n += 1;
        await js.publish('bench.write', payload, { msgID: `bench-${n}`, timeout: 10_000 });
      },
    },
  ];
  return { ways, bytes: payload.length };
}

/** Writes by all ways in turn, round by round. */
async function measure(ways: Way[], say: (line: string) => void): Promise<Result[]> {
  for (const way of ways) {
    await timed(WARM_UPS, 8, way.write);
  }
  const results: Result[] = [];
  for (const { atOnce, times } of LOADS) {
    say(`${times * ROUNDS} writes, ${atOnce} at once`);
    const loads = new Map(ways.map((way): [Way, Load] => [way, { samples: [], ms: 0 }]));
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const [way, load] of loads) {
        const began = performance.now();
        load.samples.push(...(await timed(times, atOnce, way.write)));
        load.ms += performance.now() - began;
      }
    }
    results.push({
      atOnce,
      loads: [...loads.values()].map((load, i) => ({
        name: ways[i]?.name ?? '',
        ...spread(load.samples),
        perSecond: (load.samples.length / load.ms) * 1000,
        samples: rounded(load.samples),
      })),
    });
  }
  return results;
}

interface Ratio {
  atOnce: number;
  p50: number;
  perSecond: number;
}

function markdownOf(results: Result[], ratios: Ratio[], bytes: number): string {
  const rows = results.flatMap(({ atOnce, loads }) =>
    loads.map((l) => [
      l.name,
      atOnce,
      ...(['p50', 'p95', 'p99', 'max'] as (keyof Spread)[]).map((p) => l[p].toFixed(2)),
      l.perSecond.toFixed(0),
    ]),
  );
  return [
    `Three nats-servers with \`sync_interval: always\` and three instances in processes of their own, all on ` +
      `one machine and one disk; ${bytes} bytes a write, in ${ROUNDS} rounds in turn; ms.`,
    '',
    table(['way', 'at once', 'p50', 'p95', 'p99', 'max', 'writes/s'], rows),
    '',
    ...ratios.map(
      (r) =>
        `- ${r.atOnce} at once, Terrarium to raw: p50 ${r.p50.toFixed(2)}, time for each write ` +
        `${r.perSecond.toFixed(2)} (goal 1.5: ${r.p50 <= 1.5 ? 'kept' : 'missed'} at p50).`,
    ),
  ].join('\n');
}

export const measurement: Measurement = {
  title: 'Replicated write',
  needsLab: false,
  async run(say) {
    const cluster = await startCluster(INSTANCES);
    const children: ChildProcess[] = [];
    try {
      const [first] = cluster.members as [Member];
      children.push(...others(cluster));
      const replica = await cluster.open(first, LIMITS);
      await until(
        'the first instance to be ready',
        () => (replica.status().state === 'ready' ? true : undefined),
        60_000,
      );
      const nc = await rawStream(cluster, first);
      const { ways, bytes } = waysOf(replica, nc);
      const results = await measure(ways, say);
      await nc.close();
      const ratios = results.map(({ atOnce, loads: [ours, raw] }) => ({
        atOnce,
        p50: (ours?.p50 ?? 0) / (raw?.p50 ?? 1),
        perSecond: (raw?.perSecond ?? 0) / (ours?.perSecond ?? 1),
      }));
      return {
        data: { instances: INSTANCES, bytes, ratios, results },
        markdown: markdownOf(results, ratios, bytes),
      };
    } finally {
      for (const child of children) {
        child.kill('SIGKILL');
      }
      await cluster.stop();
    }
  },
};
