import t, { type Test } from 'tap';
import { openCluster } from '../../src/store/cluster.ts';
import { LIMITS, type Limits } from '../../src/store/core.ts';
import { loadKinds, loadSchema } from '../../src/store/kind.ts';
import type { Replica } from '../../src/store/replica.ts';
import { seeded } from '../support/seeded.ts';
import { ROOMY } from '../support/store-temp.ts';
import { diskStorage, emptyDisk, makeNetwork, makeWorld, peersOf, pipeOf, timingOf, unplug, type Life, type Network, type World } from '../support/store-world.ts';

const NAMES = ['n1', 'n2', 'n3'];
const kinds = await loadKinds();
const schema = await loadSchema();

interface Instance {
  replica: Replica;
  life: Life;
}

/** Three instances in a simulated world in which nothing goes wrong by itself; resolves when they are ready. */
async function three(t: Test, limits: Limits = LIMITS): Promise<{ world: World; network: Network; instances: Instance[] }> {
  const random = seeded(20261121);
  const world = makeWorld(random);
  const network = makeNetwork();
  const disks = NAMES.map(() => emptyDisk());
  const instances: Instance[] = [];
  const lives = NAMES.map((): Life => ({ alive: true, step: () => undefined }));
  NAMES.forEach((self, i) => {
    const life = lives[i] as Life;
    void openCluster({
      self, kinds, schema, limits, storage: diskStorage(disks[i] ?? emptyDisk(), life), timing: timingOf(world, life), random: (n) => Uint8Array.from({ length: n }, () => Math.floor(random() * 256)),
      log: () => undefined, space: () => ROOMY, pipe: pipeOf(world, network, life, 0, 0), peers: peersOf(world, network, self, life, 0), instances: () => NAMES.map((name) => ({ name })),
    }).then((replica) => (instances[i] = { replica, life }));
  });
  t.teardown(() => {
    for (const life of lives) life.alive = false;
    for (const disk of disks) unplug(disk);
  });
  const ready = await world.run(() => NAMES.every((_, i) => instances[i]?.replica.status().state === 'ready'), world.now() + 60_000);
  if (!ready) throw new Error('the instances do not become ready');
  return { world, network, instances };
}

const put = (id: string, name: string): Parameters<Replica['propose']>[0] => ({ kind: 'query.put', actor: 'eva', args: { id, owner: 'eva', name, sql: 'select 1', details: {} } });

t.test('where nothing fails, no write waits: what is applied while the bus tells of the stream does not make that look too short', async (t) => {
  const { world, instances } = await three(t);
  const writers = 12;
  const end = world.now() + 5_000;
  let [written, slowest, writing] = [0, 0, writers];
  const write = async (writer: number): Promise<void> => {
    const began = world.now();
    if (began >= end) return void (writing -= 1);
    await instances[writer % instances.length]?.replica.propose(put(`w${writer}`, `n${written}`));
    written += 1;
    slowest = Math.max(slowest, world.now() - began);
    return write(writer);
  };
  for (let writer = 0; writer < writers; writer += 1) void write(writer);
  t.ok(await world.run(() => writing === 0, end + 30_000));
  t.ok(written > 1000, `${written} writes`);
  t.ok(slowest < 200, `the slowest took ${slowest} ms`);
});

t.test('who is alone drops nothing from the log that only he has in a snapshot', async (t) => {
  const { world, network, instances } = await three(t, { snapshotEntries: 8, snapshotMs: 60_000, logMargin: 3 });
  const first = (): number => [...network.streams.values()][0]?.log.first ?? NaN;
  const writeAlone = async (from: number, to: number): Promise<void> => {
    let done = false;
    void (async () => {
      for (let n = from; n < to; n += 1) await instances[0]?.replica.propose(put(`q${n}`, `n${n}`));
      done = true;
    })();
    t.ok(await world.run(() => done, world.now() + 60_000));
  };
  const wait = async (ms: number): Promise<void> => void (await world.run(() => false, world.now() + ms));

  await writeAlone(0, 40);
  await wait(30_000);
  const before = first();
  t.ok(before > 20, `with all three the log is bounded: it begins at ${before}`);
  const last = instances[1]?.replica.position() ?? 0;
  for (const { life } of instances.slice(1)) life.alive = false;
  await wait(20_000);
  await writeAlone(40, 80);
  await wait(30_000);
  t.ok((instances[0]?.replica.status().snapshot ?? 0) > last + 10, 'it has a snapshot that the others have not');
  t.ok(first() <= last + 1, `the log begins at ${first()}, and the others were at ${last}`);
});
