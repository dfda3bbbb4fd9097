import type { Kinds } from '../../src/store/kind.ts';
import type { Outcome } from '../../src/store/machine/types.ts';
import type { Draft, Replica } from '../../src/store/replica.ts';
import { seeded } from './seeded.ts';
import { emptyDisk, type Disk } from './store-disk.ts';
import { makeNetwork, type Network } from './store-network.ts';
import type { Release } from './store-releases.ts';
import { makeWorld, type Life, type World } from './store-world.ts';

export interface HistoryOptions {
  seed: number;
  instances: 3 | 5;
  releases: [Release, Release];
  /** Changes what an instance applies: a planted bug. */
  tamper?: (instance: string, kinds: Kinds) => Kinds;
}

export interface HistoryReport {
  commands: number;
  crashes: number;
  reseeds: number;
  epochs: number;
  /** Commands of the newer release that were carried out. */
  stamps: number;
  failures: string[];
}

/** The trouble that a history has beside commands and crashes; two of these at once would be a double fault. */
const TROUBLES = ['none', 'stream deleted', 'power failures', 'disk wiped', 'row changed'] as const;

/** An instance: its disk, and the process that runs on it. */
export interface Node {
  name: string;
  disk: Disk;
  life: Life | undefined;
  replica: Replica | undefined;
  release: 0 | 1;
  /** Steps until its process crashes. */
  fuse: number;
}

/** A random history as it goes on. */
export interface History {
  options: HistoryOptions;
  world: World;
  network: Network;
  nodes: Node[];
  report: HistoryReport;
  log: string[];
  trouble: (typeof TROUBLES)[number];
  /** How many messages are lost, of 1. */
  losses: number;
  /** Whether instances are upgraded. */
  upgrades: boolean;
  /** The end has come: nothing crashes any more. */
  settling: boolean;
  /** All that was proposed, by id. */
  drafts: Map<string, Draft>;
  /** The answers of those that were answered, by id. */
  acknowledged: Map<string, Outcome>;
  /** Clients that have no answer yet. */
  working: number;
  /** Returns a random whole number below n. */
  pick(n: number): number;
}

/** A history that has not begun, with what is decided beforehand. */
export function makeHistory(options: HistoryOptions): History {
  const random = seeded(options.seed);
  const pick = (n: number): number => Math.floor(random() * n);
  const trouble = TROUBLES[pick(TROUBLES.length)] as (typeof TROUBLES)[number];
  const losses = random() < 0.5 ? 0 : 0.03;
  const upgrades = random() < 0.5;
  return {
    options,
    world: makeWorld(random),
    network: makeNetwork(),
    nodes: Array.from({ length: options.instances }, (_, i) => ({
      name: `n${i + 1}`,
      disk: emptyDisk(),
      life: undefined,
      replica: undefined,
      release: upgrades ? (pick(2) as 0 | 1) : 0,
      fuse: Infinity,
    })),
    report: { commands: 0, crashes: 0, reseeds: 0, epochs: 0, stamps: 0, failures: [] },
    log: [],
    trouble,
    losses,
    upgrades,
    settling: false,
    drafts: new Map(),
    acknowledged: new Map(),
    working: 0,
    pick,
  };
}
