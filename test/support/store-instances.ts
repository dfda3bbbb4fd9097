import { openCluster } from '../../src/store/cluster.ts';
import { diskStorage, unplug } from './store-disk.ts';
import type { History, Node } from './store-history.ts';
import { peersOf, pipeOf } from './store-network.ts';
import { ROOMY } from './store-temp.ts';
import { Crash, timingOf, type Life } from './store-world.ts';

/** A life that ends when the node's fuse has burnt down. */
function newLife(history: History, node: Node): Life {
  const life: Life = {
    alive: true,
    step() {
      if (!life.alive) {
        throw new Crash();
      }
      node.fuse -= 1;
      if (node.fuse > 0) {
        return;
      }
      crashInstance(history, node, false);
      throw new Crash();
    },
  };
  return life;
}

/** Starts the process of an instance, unless it runs. */
export function startInstance(history: History, node: Node): void {
  const { options, world, network, nodes, report, losses, pick } = history;
  if (node.life?.alive === true) {
    return;
  }
  node.fuse = history.settling || world.random() < 0.4 ? Infinity : 5 + pick(400);
  const life = newLife(history, node);
  node.life = life;
  const release = options.releases[node.release];
  openCluster({
    self: node.name,
    kinds: options.tamper?.(node.name, release.kinds) ?? release.kinds,
    schema: release.schema,
    storage: diskStorage(node.disk, life),
    timing: timingOf(world, life),
    random: (n) => Uint8Array.from({ length: n }, () => pick(256)),
    space: () => ROOMY,
    log: (line) => {
      if (!life.alive) {
        return;
      }
      history.log.push(`${((world.now() - 1_700_000_000_000) / 1000).toFixed(3)} ${node.name} ${line}`);
      if (line.includes('re-seeded at')) {
        report.reseeds += 1;
      }
    },
    step: (name) => {
      life.step(name);
      if (name === 'after commit' && world.random() < 0.1 && node.disk.open !== undefined) {
        node.disk.durable = node.disk.open.serialize();
      }
    },
    limits: { snapshotEntries: 8, snapshotMs: 60_000, logMargin: 3 },
    pipe: pipeOf(world, network, life, losses),
    peers: peersOf(world, network, node.name, life, losses),
    instances: () => nodes.map(({ name }) => ({ name })),
  }).then(
    (replica) => {
      if (life.alive) {
        node.replica = replica;
      }
    },
    (error: unknown) => {
      if (!(error instanceof Crash)) {
        report.failures.push(`${node.name} does not start: ${String(error)}`);
      }
    },
  );
}

/** Ends the process of an instance; it is started again after a while, unless that is planned by the caller. */
export function crashInstance(history: History, node: Node, planned: boolean): void {
  const { world, report, trouble, upgrades } = history;
  if (node.life?.alive !== true) {
    return;
  }
  node.life.alive = false;
  node.replica = undefined;
  report.crashes += 1;
  // Not in the middle of what SQLite is doing: its caller is about to see the crash.
  world.at(0, () => {
    unplug(node.disk);
    if (trouble === 'power failures' && world.random() < 0.5 && node.disk.durable !== undefined) {
      node.disk.database = node.disk.durable;
    }
    if (upgrades && world.random() < 0.5) {
      node.release = 1;
    }
  });
  // While the stream may be gone nobody is away for longer than the others wait.
  if (!planned) {
    const longest = trouble === 'stream deleted' ? 4000 : 20_000;
    world.at(50 + world.random() * longest, () => startInstance(history, node));
  }
}
