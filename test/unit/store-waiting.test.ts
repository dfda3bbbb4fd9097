import t from 'tap';
import { openCluster } from '../../src/store/cluster.ts';
import { loadKinds, loadSchema } from '../../src/store/kind.ts';
import type { Replica } from '../../src/store/replica.ts';
import { seeded } from '../support/seeded.ts';
import { diskStorage, emptyDisk, makeNetwork, makeWorld, peersOf, pipeOf, timingOf, unplug } from '../support/store-world.ts';

const NAMES = ['n1', 'n2', 'n3'];
const WRITERS = 12;

t.test('where nothing fails, no write waits: what is applied while the bus tells of the stream does not make that look too short', async (t) => {
  const random = seeded(20261121);
  const world = makeWorld(random);
  const network = makeNetwork();
  const life = { alive: true, step: () => undefined };
  const [kinds, schema] = [await loadKinds(), await loadSchema()];
  const disks = NAMES.map(() => emptyDisk());
  const replicas: Replica[] = [];
  NAMES.forEach((self, i) => {
    void openCluster({
      self, kinds, schema, storage: diskStorage(disks[i] ?? emptyDisk(), life), timing: timingOf(world, life), random: (n) => Uint8Array.from({ length: n }, () => Math.floor(random() * 256)),
      log: () => undefined, space: () => ({ free: 1e12, total: 1e12 }), pipe: pipeOf(world, network, life, 0, 0), peers: peersOf(world, network, self, life, 0), instances: () => NAMES.map((name) => ({ name })),
    }).then((replica) => replicas.push(replica));
  });
  t.ok(await world.run(() => replicas.length === NAMES.length && replicas.every((r) => r.status().state === 'ready'), world.now() + 60_000));

  const end = world.now() + 5_000;
  let [written, slowest, writing] = [0, 0, WRITERS];
  const write = async (writer: number): Promise<void> => {
    const began = world.now();
    if (began >= end) return void (writing -= 1);
    await replicas[writer % NAMES.length]?.propose({ kind: 'query.put', actor: 'eva', args: { id: `w${writer}`, owner: 'eva', name: `n${written}`, sql: 'select 1', details: {} } });
    written += 1;
    slowest = Math.max(slowest, world.now() - began);
    return write(writer);
  };
  for (let writer = 0; writer < WRITERS; writer += 1) void write(writer);
  t.ok(await world.run(() => writing === 0, end + 30_000));
  t.ok(written > 1000, `${written} writes`);
  t.ok(slowest < 200, `the slowest took ${slowest} ms`);
  life.alive = false;
  for (const disk of disks) unplug(disk);
});
