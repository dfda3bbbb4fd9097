import t, { type Test } from 'tap';
import { openCluster } from '../../src/store/cluster.ts';
import { LIMITS, type Limits } from '../../src/store/core/options.ts';
import { loadKinds, loadSchema } from '../../src/store/kind.ts';
import type { Replica } from '../../src/store/replica.ts';
import { seeded } from '../support/seeded.ts';
import { diskStorage, emptyDisk, unplug } from '../support/store-disk.ts';
import { makeNetwork, peersOf, pipeOf, type Network } from '../support/store-network.ts';
import { ROOMY } from '../support/store-temp.ts';
import { makeWorld, timingOf, type Life, type World } from '../support/store-world.ts';

const NAMES = ['n1', 'n2', 'n3'];
const kinds = await loadKinds();
const schema = await loadSchema();

interface Instance {
  replica: Replica;
  life: Life;
}

/** Three instances in a simulated world in which nothing goes wrong by itself; resolves when they are ready. */
async function three(
  t: Test,
  limits: Limits = LIMITS,
): Promise<{ world: World; network: Network; instances: Instance[] }> {
  const random = seeded(20261121);
  const world = makeWorld(random);
  const network = makeNetwork();
  const disks = NAMES.map(() => emptyDisk());
  const instances: Instance[] = [];
  const lives = NAMES.map((): Life => ({ alive: true, step: () => undefined }));
  NAMES.forEach((self, i) => {
    const life = lives[i] as Life;
    void openCluster({
      self,
      kinds,
      schema,
      limits,
      storage: diskStorage(disks[i] ?? emptyDisk(), life),
      timing: timingOf(world, life),
      random: (n) => Uint8Array.from({ length: n }, () => Math.floor(random() * 256)),
      log: () => undefined,
      step: (name) => life.step(name),
      space: () => ROOMY,
      pipe: pipeOf(world, network, life, 0, 0),
      peers: peersOf(world, network, self, life, 0),
      instances: () => NAMES.map((name) => ({ name })),
    }).then((replica) => (instances[i] = { replica, life }));
  });
  t.teardown(() => {
    for (const life of lives) {
      life.alive = false;
    }
    for (const disk of disks) {
      unplug(disk);
    }
  });
  const ready = await world.run(
    () => NAMES.every((_, i) => instances[i]?.replica.status().state === 'ready'),
    world.now() + 60_000,
  );
  if (!ready) {
    throw new Error('the instances do not become ready');
  }
  return { world, network, instances };
}

const put = (id: string, name: string): Parameters<Replica['propose']>[0] => ({
  kind: 'query.put',
  actor: 'eva',
  args: { id, owner: 'eva', name, sql: 'select 1', details: {} },
});

t.test(
  'where nothing fails, no write waits: what is applied while the bus tells of the stream does not make that look ' +
    'too short',
  async (t) => {
    const { world, instances } = await three(t);
    const writers = 12;
    const end = world.now() + 5_000;
    let [written, slowest, writing] = [0, 0, writers];
    const write = async (writer: number): Promise<void> => {
      const began = world.now();
      if (began >= end) {
        return void (writing -= 1);
      }
      await instances[writer % instances.length]?.replica.propose(put(`w${writer}`, `n${written}`));
      written += 1;
      slowest = Math.max(slowest, world.now() - began);
      return write(writer);
    };
    for (let writer = 0; writer < writers; writer += 1) {
      void write(writer);
    }
    t.ok(await world.run(() => writing === 0, end + 30_000));
    t.ok(written > 1000, `${written} writes`);
    t.ok(slowest < 200, `the slowest took ${slowest} ms`);
  },
);

/** Proposes by the first instance, one after the other. */
async function write(
  t: Test,
  { world, instances }: { world: World; instances: Instance[] },
  from: number,
  to: number,
): Promise<void> {
  let done = false;
  void (async () => {
    for (let n = from; n < to; n += 1) {
      await instances[0]?.replica.propose(put(`q${n}`, `n${n}`));
    }
    done = true;
  })();
  t.ok(await world.run(() => done, world.now() + 120_000), `writes ${from} to ${to}`);
}
const wait = async (world: World, ms: number): Promise<void> => void (await world.run(() => false, world.now() + ms));
const SMALL: Limits = { snapshotEntries: 8, snapshotMs: 60_000, logMargin: 3 };

t.test('who cannot write, since his disk is full, does not keep the log from being bounded', async (t) => {
  const three_ = await three(t, SMALL);
  const { world, network, instances } = three_;
  const { life } = instances[2] as Instance;
  life.step = (name) => {
    if (name === 'before commit') {
      throw new Error('database or disk is full');
    }
  };
  await write(t, three_, 0, 40);
  t.ok((instances[2]?.replica.position() ?? 0) < 10);
  await wait(world, 30_000);
  const first = [...network.streams.values()][0]?.log.first ?? NaN;
  t.ok(first > 20, `the log begins at ${first}`);
  life.step = () => undefined;
  t.ok(
    await world.run(
      () =>
        instances[2]?.replica.status().state === 'ready' &&
        instances[2].replica.position() === instances[0]?.replica.position(),
      world.now() + 60_000,
    ),
    'when there is room, it comes back',
  );
});

t.test(
  'a stream that begins where nobody is any more is given up, and the next one begins where the most advanced ' +
    'database is',
  async (t) => {
    const three_ = await three(t);
    const { world, network, instances } = three_;
    await write(t, three_, 0, 10);
    const position = instances[0]?.replica.position() ?? 0;
    network.deleteStreams();
    network.streams.set(2, {
      log: { epoch: 2, base: 1000, chain: 'of one that was lost', replicas: 3, first: 1001 },
      messages: [],
      consumers: new Set(),
    });
    t.ok(
      await world.run(
        () => instances.every(({ replica }) => replica.status().epoch === 3 && replica.status().state === 'ready'),
        world.now() + 120_000,
      ),
    );
    await write(t, three_, 10, 20);
    t.equal(instances[0]?.replica.position(), position + 10, 'nothing was lost');
  },
);

t.test('who is alone drops nothing from the log that only he has in a snapshot', async (t) => {
  const three_ = await three(t, SMALL);
  const { world, network, instances } = three_;
  const first = (): number => [...network.streams.values()][0]?.log.first ?? NaN;
  await write(t, three_, 0, 40);
  await wait(world, 30_000);
  const before = first();
  t.ok(before > 20, `with all three the log is bounded: it begins at ${before}`);
  const last = instances[1]?.replica.position() ?? 0;
  for (const { life } of instances.slice(1)) {
    life.alive = false;
  }
  await wait(world, 20_000);
  await write(t, three_, 40, 80);
  await wait(world, 30_000);
  t.ok((instances[0]?.replica.status().snapshot ?? 0) > last + 10, 'it has a snapshot that the others have not');
  t.ok(first() <= last + 1, `the log begins at ${first()}, and the others were at ${last}`);
});
