import type { Replica } from '../../src/store/replica.ts';
import { someDraft, submit } from './store-clients.ts';
import { diskStorage, emptyDisk, unplug } from './store-disk.ts';
import { makeHistory, type History, type HistoryOptions, type HistoryReport, type Node } from './store-history.ts';
import { crashInstance, startInstance } from './store-instances.ts';
import { judge } from './store-model.ts';

/** Has commands, snapshots and an election take place in the next `writing` ms. */
function plan(history: History, writing: number): void {
  const { world, network, nodes, pick } = history;
  const random = world.random;
  const count = 10 + pick(40);
  for (let n = 0; n < count; n += 1) {
    // Some of them at once: they go into one message.
    const together = random() < 0.3 ? 1 + pick(8) : 1;
    world.at(3000 + random() * writing, () => {
      for (let m = 0; m < together; m += 1) {
        submit(history, someDraft(history));
      }
    });
  }
  for (let n = pick(4); n > 0; n -= 1) {
    world.at(
      3000 + random() * writing,
      () => void nodes[pick(nodes.length)]?.replica?.snapshot().catch(() => undefined),
    );
  }
  if (random() < 0.3) {
    world.at(3000 + random() * writing, () => (network.silentUntil = world.now() + 9000));
  }
}

/** Has the history's trouble take place in the next `writing` ms. */
function planTrouble(history: History, writing: number): void {
  const { world, network, nodes, trouble, pick } = history;
  const random = world.random;
  if (trouble === 'stream deleted') {
    for (let n = 1 + pick(2); n > 0; n -= 1) {
      // In the middle of a burst, of which some instances have seen more than others.
      const at = 6000 + random() * writing;
      for (let m = 0; m < 12; m += 1) {
        world.at(at - 100 + random() * 200, () => submit(history, someDraft(history)));
      }
      world.at(at, () => network.deleteStreams());
    }
  }
  if (trouble === 'disk wiped' || trouble === 'row changed') {
    world.at(6000 + random() * writing, () => {
      const node = nodes[pick(nodes.length)] as Node;
      crashInstance(history, node, true);
      world.at(1, () => {
        if (trouble === 'disk wiped') {
          node.disk = emptyDisk();
        } else if (node.disk.database !== undefined) {
          node.disk.database = changeRow(node.disk.database);
        }
      });
      world.at(500, () => startInstance(history, node));
    });
  }
}

/** As a bit that flips in the file: no trigger sees it. */
function changeRow(bytes: Buffer): Buffer {
  const disk = { ...emptyDisk(), database: bytes };
  const db = diskStorage(disk, { alive: true, step: () => undefined }).open().writer;
  if (db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'audit'").get() !== undefined) {
    db.exec(
      "UPDATE audit SET actor = 'somebody' WHERE position = (SELECT max(position) FROM audit WHERE kind <> " +
        "'schema.activate')",
    );
  }
  db.close();
  return disk.database;
}

/** Nothing crashes any more, all get the newer release; waits until all instances are at the same position. */
async function settle(history: History): Promise<boolean> {
  const { world, nodes } = history;
  history.settling = true;
  for (const node of nodes) {
    node.fuse = Infinity;
    if (!history.upgrades || node.release === 1) {
      continue;
    }
    node.release = 1;
    world.at(world.random() * 10_000, () => {
      crashInstance(history, node, true);
      world.at(500, () => startInstance(history, node));
    });
  }
  // Some more when all have the newer release.
  for (let n = 0; n < 5; n += 1) {
    world.at(25_000 + world.random() * 10_000, () => submit(history, someDraft(history)));
  }
  history.working += 1;
  world.at(36_000, () => (history.working -= 1));
  const equalPlaces = (): boolean => {
    if (history.working > 0) {
      return false;
    }
    const places = nodes.map(
      (n) => `${n.replica?.status().state} ${n.replica?.status().epoch} ${n.replica?.position()}`,
    );
    return places.every((p) => p.startsWith('ready') && p === places[0]);
  };
  return world.run(equalPlaces, world.now() + 300_000);
}

/** Writes into the report what is wrong now that the history is over. */
function assess(history: History, settled: boolean): void {
  const { nodes, report, log, trouble, losses, upgrades } = history;
  if (!settled) {
    report.failures.push(`does not settle: ${JSON.stringify(nodes.map((n) => n.replica?.status() ?? n.life?.alive))}`);
  } else {
    const { stamps, failures } = judge(
      nodes.map((n) => ({ name: n.name, db: (n.replica as Replica).db })),
      history.drafts,
      history.acknowledged,
    );
    report.stamps += stamps;
    report.failures.push(...failures);
  }
  if (trouble !== 'row changed') {
    report.failures.push(...log.filter((line) => /another one than|stopped|not what was/.test(line)));
  }
  report.epochs = nodes[0]?.replica?.status().epoch ?? 0;
  if (report.failures.length > 0) {
    report.failures.push(`trouble: ${trouble}, losses ${losses}, upgrades ${upgrades}`, ...log.slice(-60));
  }
}

/**
 * One random history: writers propose through instances that crash between any two steps, restart, are upgraded, lose
 * their disk; the stream is deleted, elections are silent, messages are lost. Afterwards everything settles, and all
 * instances are compared with each other and with a model.
 */
export async function runHistory(options: HistoryOptions): Promise<HistoryReport> {
  const history = makeHistory(options);
  const { world, nodes, report } = history;
  for (const node of nodes) {
    world.at(world.random() * 500, () => startInstance(history, node));
  }
  const writing = 8000 + world.random() * 40_000;
  plan(history, writing);
  planTrouble(history, writing);
  const begin = world.now();
  await world.run(() => world.now() - begin > 3000 + writing, begin + 3000 + writing);
  assess(history, await settle(history));
  for (const node of nodes) {
    if (node.life !== undefined) {
      node.life.alive = false;
    }
    unplug(node.disk);
  }
  return report;
}
