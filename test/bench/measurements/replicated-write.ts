import { fork, type ChildProcess } from 'node:child_process';
import { RetentionPolicy, StorageType, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connectBus } from '../../../src/bus/connect.ts';
import { LIMITS } from '../../../src/store/core/options.ts';
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
      const js = jetstream(nc);
      let n = 0;
      const args = (): object => ({
        id: `q${n % 50}`,
        owner: 'eva',
        name: `write ${n}`,
        sql: `select '${'x'.repeat(200)}'`,
        details: { n },
      });
      /** As large as an entry of the log is. */
      const payload = JSON.stringify({
        v: 1,
        kind: 'query.put',
        id: '01K0000000000000000000000A',
        at: Date.now(),
        actor: 'writer',
        args: args(),
      });
      const ways: Way[] = [
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
      for (const way of ways) {
        await timed(WARM_UPS, 8, way.write);
      }
      const results = [];
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
      await nc.close();
      const rows = results.flatMap(({ atOnce, loads }) =>
        loads.map((l) => [
          l.name,
          atOnce,
          ...(['p50', 'p95', 'p99', 'max'] as (keyof Spread)[]).map((p) => l[p].toFixed(2)),
          l.perSecond.toFixed(0),
        ]),
      );
      const ratios = results.map(({ atOnce, loads: [ours, raw] }) => ({
        atOnce,
        p50: (ours?.p50 ?? 0) / (raw?.p50 ?? 1),
        perSecond: (raw?.perSecond ?? 0) / (ours?.perSecond ?? 1),
      }));
      const markdown = [
        `Three nats-servers with \`sync_interval: always\` and three instances in processes of their own, all on ` +
          `one machine and one disk; ${payload.length} bytes a write, in ${ROUNDS} rounds in turn; ms.`,
        '',
        table(['way', 'at once', 'p50', 'p95', 'p99', 'max', 'writes/s'], rows),
        '',
        ...ratios.map(
          (r) =>
            `- ${r.atOnce} at once, Terrarium to raw: p50 ${r.p50.toFixed(2)}, time for each write ` +
            `${r.perSecond.toFixed(2)} (goal 1.5: ${r.p50 <= 1.5 ? 'kept' : 'missed'} at p50).`,
        ),
      ].join('\n');
      return { data: { instances: INSTANCES, bytes: payload.length, ratios, results }, markdown };
    } finally {
      for (const child of children) {
        child.kill('SIGKILL');
      }
      await cluster.stop();
    }
  },
};
