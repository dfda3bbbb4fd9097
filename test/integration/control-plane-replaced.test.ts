import { setTimeout as sleep } from 'node:timers/promises';
import { jetstreamManager } from '@nats-io/jetstream';
import t from 'tap';
import { monitorBus, type BusMonitor } from '../../src/bus/monitor.ts';
import { keepDeparted } from '../../src/cloud/departed.ts';
import type { Replica } from '../../src/store/replica.ts';
import { until } from '../support/local-cloud.ts';
import { startCluster, type Member, type TestCluster } from '../support/store-cluster.ts';

const AFTER_MS = 3_000;

/** A cluster of three and a fourth machine, each with what a cloud does about servers that have left. */
interface Watched {
  cluster: TestCluster;
  /** n1 to n4; n4 is not there yet. */
  all: [Member, Member, Member, Member];
  /** Opens a member's replica and its look at the group. */
  enter(member: Member): Promise<void>;
  /** A machine that breaks: all of it is gone at once. */
  lose(member: Member): Promise<void>;
  /** As Kubernetes tells it. */
  register(...members: Member[]): Promise<void>;
  /** Names of the servers that count for a majority, by the word of their leader. */
  group(): string | undefined;
  leader(): Member | undefined;
  /** Where the copies of the log are, `name` or `name (behind)`; and how many there are to be. */
  copies(from: Member): Promise<{ on: string; wanted: number } | undefined>;
  stop(): Promise<void>;
}

async function watched(): Promise<Watched> {
  const cluster = await startCluster(4, false, undefined, 1);
  const all = cluster.members as Watched['all'];
  let registered: Member[] = all.slice(0, 3);
  const monitors = new Map<string, { monitor: BusMonitor; stop: () => Promise<void> }>();
  const leave = async (name: string): Promise<void> => {
    const found = monitors.get(name);
    monitors.delete(name);
    await found?.stop();
    await found?.monitor.stop();
  };
  const w: Watched = {
    cluster,
    all,
    async enter(m) {
      const { node, address, port, tlsDir } = m.options.settings;
      const monitor = await monitorBus({ server: `${address}:${port}`, tlsDir, node });
      const stop = keepDeparted({
        registered: () => registered.map((r) => r.name),
        group: monitor.metaGroup,
        remove: monitor.removeServer,
        log: (line) => cluster.log.push(`${node} ${line}`),
        afterMs: AFTER_MS,
      });
      monitors.set(node, { monitor, stop });
      await cluster.open(m);
    },
    async lose(m) {
      await Promise.all([cluster.kill(m), leave(m.name)]);
    },
    async register(...members) {
      registered = members;
      await cluster.register(members);
    },
    group: () =>
      [...monitors.values()]
        .map(({ monitor }) => monitor.metaGroup())
        .find((g) => g !== undefined)
        ?.map((s) => s.name)
        .sort()
        .join(' '),
    leader: () => all.find((m) => monitors.get(m.name)?.monitor.current().role === 'leader'),
    async copies(from) {
      try {
        if (from.connection === undefined) {
          return undefined;
        }
        const { config, cluster: placed } = await (
          await jetstreamManager(from.connection)
        ).streams.info(`LOG_${(from.replica as Replica).status().epoch}`);
        const others = (placed?.replicas ?? []).map((r) =>
          r.current && r.offline !== true ? r.name : `${r.name} (behind)`,
        );
        return { on: [placed?.leader ?? 'no leader', ...others].sort().join(' '), wanted: config.num_replicas };
      } catch {
        return undefined;
      }
    },
    async stop() {
      await Promise.all([...monitors.keys()].map(leave));
      await cluster.stop();
    },
  };
  await Promise.all(all.slice(0, 3).map((m) => w.enter(m)));
  await cluster.ready(all.slice(0, 3));
  return w;
}

/** Fails with the log of all servers and instances. */
async function reached(
  w: Watched,
  what: string,
  look: () => Promise<string | undefined> | string | undefined,
  wanted: string,
): Promise<void> {
  let last: string | undefined;
  await until(what, async () => ((last = await look()) === wanted ? true : undefined), 60_000).catch((error: Error) => {
    throw new Error(`${error.message}: ${last}\n${w.cluster.log.join('\n')}`);
  });
}

const copied = async (w: Watched, from: Member): Promise<string | undefined> => (await w.copies(from))?.on;
let notes = 0;
/** A write by each of these. */
async function write(...members: Member[]): Promise<void> {
  for (const m of members) {
    await until(`a write by ${m.name}`, () =>
      (m.replica as Replica)
        .propose({
          kind: 'audit.note',
          actor: 'test',
          args: { resource: `note ${(notes += 1)}`, before: null, after: null },
        })
        .then(
          () => true,
          () => undefined,
        ),
    );
  }
}

t.test(
  'a fourth control plane joins, the third is gone for good: one more may be lost',
  { timeout: 300_000 },
  async (t) => {
    const w = await watched();
    t.teardown(() => w.stop());
    const [n1, n2, n3, n4] = w.all;
    await reached(w, 'three servers', w.group, 'n1 n2 n3');
    await write(n1, n2, n3);
    await t.rejects(
      n1.connection?.request('$JS.API.SERVER.REMOVE', JSON.stringify({ peer: 'n3' }), {
        timeout: 2_000,
      }) as Promise<unknown>,
      "who may use the clouds' data may not remove a server (of satellites: bus.test.ts)",
    );
    t.equal(w.group(), 'n1 n2 n3');
    await w.register(n1, n2, n3, n4);
    await w.enter(n4);
    await reached(w, 'four servers', w.group, 'n1 n2 n3 n4');
    await w.cluster.ready();

    await w.lose(n3);
    await write(n1, n2, n4);
    await sleep(5 * AFTER_MS);
    t.equal(w.group(), 'n1 n2 n3 n4', 'who is registered stays, there or not');
    t.notOk(w.cluster.log.some((line) => line.includes('bus: removed')));

    await w.register(n1, n2, n4);
    await reached(w, 'three servers again', w.group, 'n1 n2 n4');
    await reached(w, 'a copy of the log on each', () => copied(w, n1), 'n1 n2 n4');
    t.equal((await w.copies(n1))?.wanted, 3);
    t.equal(w.cluster.log.filter((line) => line.includes('bus: removed the server of n3')).length, 1, 'said once');

    await w.lose(n2);
    await write(n1, n4);
    t.same(
      (n4.replica as Replica).db.prepare("SELECT count(*) FROM audit WHERE actor = 'test'").pluck().get(),
      notes,
      'all of it is there',
    );
  },
);

t.test(
  'the third is gone first: both that are left have a copy, and the fourth gets one by itself',
  { timeout: 300_000 },
  async (t) => {
    const w = await watched();
    t.teardown(() => w.stop());
    await reached(w, 'three servers', w.group, 'n1 n2 n3');
    // Whoever leads the group next has never heard this one as its leader.
    const gone = w.leader() as Member;
    const [first, second] = w.all.slice(0, 3).filter((m) => m !== gone) as [Member, Member];
    const n4 = w.all[3];
    const both = `${first.name} ${second.name}`;
    await w.lose(gone);
    // A change of the log that fails for want of a leader is not tried again soon.
    await until('another leader', () => (w.group() === undefined ? undefined : true));
    await write(first, second);
    await w.register(first, second);
    await reached(w, 'two servers', w.group, both);
    await reached(w, 'a copy of the log on both', () => copied(w, first), both);
    await write(first, second);
    // Instances look every second whether there are as many copies as there should be.
    await sleep(5_000);
    t.same(await w.copies(first), { on: both, wanted: 3 }, 'not fewer than there are servers');

    await w.register(first, second, n4);
    await w.enter(n4);
    await reached(w, 'three servers', w.group, `${both} n4`);
    await reached(w, 'a copy of the log on each', () => copied(w, first), `${both} n4`);
    await w.cluster.ready([first, second, n4]);
    await w.lose(first);
    await write(second, n4);
  },
);
