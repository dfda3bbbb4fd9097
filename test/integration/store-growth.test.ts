import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Replica } from '../../src/store/replica.ts';
import { startCluster, type Member, type TestCluster } from '../support/store-cluster.ts';
import { lostOrTwice, startWriters } from '../support/store-load.ts';

let cluster: TestCluster;
t.teardown(() => cluster.stop());

t.test('one instance becomes three under 20 writers, with nothing acknowledged lost', async (t) => {
  cluster = await startCluster(3, true);
  const [first, ...others] = cluster.members as [Member, ...Member[]];
  const single = await cluster.openSingle(first);
  await single.propose({
    kind: 'user.create',
    actor: 'test',
    args: { name: 'eva', role: 'admin', passwordHash: 'h', mustChangePassword: false },
  });
  // Writers know the first instance only, until the others are ready.
  let grown = false;
  const load = startWriters(
    20,
    50,
    (writer, attempt) => (grown ? cluster.members[(writer + attempt) % 3] : first)?.replica,
  );
  await sleep(2000);
  t.match(single.status(), { mode: 'single', state: 'ready', epoch: 1 });
  const alone = single.position();
  await Promise.all([cluster.grow(), cluster.close(first)]);
  await Promise.all([first, ...others].map((m) => cluster.open(m)));
  await cluster.ready();
  grown = true;
  await sleep(3000);
  await load.stop();
  await cluster.equal();
  for (const m of cluster.members) {
    const replica = m.replica as Replica;
    t.same(lostOrTwice(replica.db, load), [], m.name);
    t.match(replica.status(), { mode: 'cluster', epoch: 2 });
    t.ok(replica.position() > alone, 'positions count on');
    t.equal(replica.db.prepare('SELECT count(*) FROM users').pluck().get(), 1);
  }
  t.comment(
    `${load.acknowledged.size} acknowledged, slowest ${load.slowest()} ms, ${load.failed.length} tries failed: ` +
      `${[...new Set(load.failed)].join(' | ')}`,
  );
});
