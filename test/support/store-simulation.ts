import { z } from 'zod';
import { openCluster } from '../../src/store/cluster.ts';
import type { Store } from '../../src/store/database.ts';
import { defineCommand, type CommandKind, type Kinds, type Migration } from '../../src/store/kind.ts';
import type { Outcome, Result } from '../../src/store/machine/types.ts';
import type { Draft, Replica } from '../../src/store/replica.ts';
import { ulid } from '../../src/store/ulid.ts';
import { seeded } from './seeded.ts';
import { ROOMY, contents } from './store-temp.ts';
import {
  Crash,
  diskStorage,
  emptyDisk,
  makeNetwork,
  makeWorld,
  peersOf,
  pipeOf,
  timingOf,
  unplug,
  type Disk,
  type Life,
} from './store-world.ts';

/** A release: the kinds and the schema that it knows. */
export interface Release {
  kinds: Kinds;
  schema: Migration[];
}

/** A release and its next neighbour, which brings a column, a table and a kind of command for them. */
export function neighbours(kinds: Kinds, schema: Migration[]): [Release, Release] {
  const newest = (schema.at(-1)?.version ?? 0) + 1;
  const stamp = defineCommand({
    since: newest,
    args: z.strictObject({ id: z.string(), stamp: z.string() }),
    apply(tx, { args }) {
      tx.run('UPDATE saved_queries SET stamp = ?, version = ? WHERE id = ?', args.stamp, tx.position, args.id);
      tx.run('INSERT INTO stamps (id, stamp) VALUES (?, ?)', tx.position, args.stamp);
      return { changes: [{ resource: `query/${args.id}`, before: null, after: args.stamp }] };
    },
  });
  const next = {
    version: newest,
    sql:
      "ALTER TABLE saved_queries ADD COLUMN stamp TEXT NOT NULL DEFAULT ''; CREATE TABLE stamps (id INTEGER PRIMARY " +
      'KEY, stamp TEXT NOT NULL) STRICT;',
  };
  return [
    { kinds, schema },
    { kinds: new Map([...kinds, ['query.stamp', stamp as CommandKind<unknown>]]), schema: [...schema, next] },
  ];
}

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

/** What a history has beside commands and crashes; two of these at once would be a double fault. */
const TROUBLES = ['none', 'stream deleted', 'power failures', 'disk wiped', 'row changed'] as const;

interface Node {
  name: string;
  disk: Disk;
  life: Life | undefined;
  replica: Replica | undefined;
  release: 0 | 1;
  /** Steps until its process crashes. */
  fuse: number;
}

/**
 * One random history: writers propose through instances that crash between any two steps, restart, are upgraded, lose
 * their disk; the stream is deleted, elections are silent, messages are lost. Afterwards everything settles, and all
 * instances are compared with each other and with a model.
 */
export async function runHistory(options: HistoryOptions): Promise<HistoryReport> {
  const random = seeded(options.seed);
  const world = makeWorld(random);
  const network = makeNetwork();
  const pick = (n: number): number => Math.floor(random() * n);
  const trouble = TROUBLES[pick(TROUBLES.length)] as (typeof TROUBLES)[number];
  const losses = random() < 0.5 ? 0 : 0.03;
  const log: string[] = [];
  const report: HistoryReport = { commands: 0, crashes: 0, reseeds: 0, epochs: 0, stamps: 0, failures: [] };
  const upgrades = random() < 0.5;
  const nodes: Node[] = Array.from({ length: options.instances }, (_, i) => ({
    name: `n${i + 1}`,
    disk: emptyDisk(),
    life: undefined,
    replica: undefined,
    release: upgrades ? (pick(2) as 0 | 1) : 0,
    fuse: Infinity,
  }));
  let settling = false;

  function start(node: Node): void {
    if (node.life?.alive === true) {
      return;
    }
    node.fuse = settling || random() < 0.4 ? Infinity : 5 + pick(400);
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
        crash(node, false);
        throw new Crash();
      },
    };
    node.life = life;
    const release = options.releases[node.release];
    const timing = timingOf(world, life);
    openCluster({
      self: node.name,
      kinds: options.tamper?.(node.name, release.kinds) ?? release.kinds,
      schema: release.schema,
      storage: diskStorage(node.disk, life),
      timing,
      random: (n) => Uint8Array.from({ length: n }, () => pick(256)),
      space: () => ROOMY,
      log: (line) => {
        if (!life.alive) {
          return;
        }
        log.push(`${((world.now() - 1_700_000_000_000) / 1000).toFixed(3)} ${node.name} ${line}`);
        if (line.includes('re-seeded at')) {
          report.reseeds += 1;
        }
      },
      step: (name) => {
        life.step(name);
        if (name === 'after commit' && random() < 0.1 && node.disk.open !== undefined) {
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

  function crash(node: Node, planned: boolean): void {
    if (node.life?.alive !== true) {
      return;
    }
    node.life.alive = false;
    node.replica = undefined;
    report.crashes += 1;
    // Not in the middle of what SQLite is doing: its caller is about to see the crash.
    world.at(0, () => {
      unplug(node.disk);
      if (trouble === 'power failures' && random() < 0.5 && node.disk.durable !== undefined) {
        node.disk.database = node.disk.durable;
      }
      if (upgrades && random() < 0.5) {
        node.release = 1;
      }
    });
    // While the stream may be gone nobody is away for longer than the others wait.
    if (!planned) {
      world.at(50 + random() * (trouble === 'stream deleted' ? 4000 : 20_000), () => start(node));
    }
  }

  const acknowledged = new Map<string, Outcome>();
  const drafts = new Map<string, Draft>();
  let working = 0;

  /** Some client: repeats by id, wherever it finds an instance, until there is an answer. */
  function submit(draft: Draft & { id: string }): void {
    drafts.set(draft.id, draft);
    working += 1;
    report.commands += 1;
    const attempt = (): void => {
      const able = nodes.filter((n) => n.replica !== undefined && n.life?.alive === true);
      const node = able[pick(able.length)];
      if (node?.replica === undefined) {
        return world.at(300, attempt);
      }
      const life = node.life;
      let over = false;
      const again = (error: unknown): void => {
        if (over) {
          return;
        }
        over = true;
        // The older release does not know the kind; its client gives up.
        if (
          draft.kind === 'query.stamp' &&
          ['store-invalid', 'store-not-active'].includes((error as { code?: string }).code ?? '')
        ) {
          working -= 1;
          return;
        }
        if (settling) {
          log.push(`${draft.id} ${draft.kind} is tried again: ${String(error)}`);
        }
        world.at(100 + random() * 300, attempt);
      };
      node.replica.propose(draft).then((outcome) => {
        // A client also repeats what was answered, when the answer was lost.
        if (over) {
          return;
        }
        over = true;
        if (life?.alive !== true) {
          return world.at(100, attempt);
        }
        const before = acknowledged.get(draft.id);
        if (before !== undefined && JSON.stringify(before) !== JSON.stringify(outcome)) {
          report.failures.push(`${draft.id} was answered ${JSON.stringify(before)} and ${JSON.stringify(outcome)}`);
        }
        acknowledged.set(draft.id, outcome);
        if (random() < 0.1) {
          return world.at(100, attempt);
        }
        working -= 1;
      }, again);
      world.at(20_000, () => again('no answer'));
    };
    attempt();
  }

  const versions = (): number =>
    acknowledged.size === 0 ? 0 : ([...acknowledged.values()][pick(acknowledged.size)]?.position ?? 0);
  function someDraft(): Draft & { id: string } {
    const id = ulid(
      world.now(),
      Uint8Array.from({ length: 10 }, () => pick(256)),
    );
    const key = `k${pick(5)}`;
    const expect = random() < 0.3 ? { resource: `query/${key}`, version: random() < 0.3 ? 0 : versions() } : undefined;
    const more = { id, actor: 'client', ...(expect === undefined ? {} : { expect }) };
    const kind = random();
    if (upgrades && random() < 0.2) {
      return { ...more, kind: 'query.stamp', args: { id: key, stamp: `s${pick(100)}` } };
    }
    if (kind < 0.6) {
      return {
        ...more,
        kind: 'query.put',
        args: { id: key, owner: 'eva', name: `n${pick(100)}`, sql: 'select 1', details: {} },
      };
    }
    if (kind < 0.75) {
      return { ...more, kind: 'query.delete', args: { id: key } };
    }
    if (kind < 0.9) {
      return {
        id,
        actor: 'client',
        kind: 'user.create',
        args: { name: `u${pick(6)}`, role: 'admin', passwordHash: 'h', mustChangePassword: false },
      };
    }
    return { id, actor: 'client', kind: 'user.delete', args: { name: `u${pick(6)}` } };
  }

  for (const node of nodes) {
    world.at(random() * 500, () => start(node));
  }
  const writing = 8000 + random() * 40_000;
  const count = 10 + pick(40);
  for (let n = 0; n < count; n += 1) {
    // Some of them at once: they go into one message.
    const together = random() < 0.3 ? 1 + pick(8) : 1;
    world.at(3000 + random() * writing, () => {
      for (let m = 0; m < together; m += 1) {
        submit(someDraft());
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
  if (trouble === 'stream deleted') {
    for (let n = 1 + pick(2); n > 0; n -= 1) {
      // In the middle of a burst, of which some instances have seen more than others.
      const at = 6000 + random() * writing;
      for (let m = 0; m < 12; m += 1) {
        world.at(at - 100 + random() * 200, () => submit(someDraft()));
      }
      world.at(at, () => network.deleteStreams());
    }
  }
  if (trouble === 'disk wiped' || trouble === 'row changed') {
    world.at(6000 + random() * writing, () => {
      const node = nodes[pick(nodes.length)] as Node;
      crash(node, true);
      world.at(1, () => {
        if (trouble === 'disk wiped') {
          node.disk = emptyDisk();
        } else if (node.disk.database !== undefined) {
          node.disk.database = changeRow(node.disk.database);
        }
      });
      world.at(500, () => start(node));
    });
  }

  const begin = world.now();
  await world.run(() => world.now() - begin > 3000 + writing, begin + 3000 + writing);
  settling = true;
  for (const node of nodes) {
    node.fuse = Infinity;
    if (!upgrades || node.release === 1) {
      continue;
    }
    node.release = 1;
    world.at(random() * 10_000, () => {
      crash(node, true);
      world.at(500, () => start(node));
    });
  }
  // Some more when all have the newer release.
  for (let n = 0; n < 5; n += 1) {
    world.at(25_000 + random() * 10_000, () => submit(someDraft()));
  }
  working += 1;
  world.at(36_000, () => (working -= 1));
  const equalPlaces = (): boolean => {
    if (working > 0) {
      return false;
    }
    const places = nodes.map(
      (n) => `${n.replica?.status().state} ${n.replica?.status().epoch} ${n.replica?.position()}`,
    );
    return places.every((p) => p.startsWith('ready') && p === places[0]);
  };
  const settled = await world.run(equalPlaces, world.now() + 300_000);
  if (!settled) {
    report.failures.push(`does not settle: ${JSON.stringify(nodes.map((n) => n.replica?.status() ?? n.life?.alive))}`);
  } else {
    judge(
      nodes.map((n) => ({ name: n.name, db: (n.replica as Replica).db })),
      drafts,
      acknowledged,
      report,
    );
  }
  if (trouble !== 'row changed') {
    for (const line of log) {
      if (/another one than|stopped|not what was/.test(line)) {
        report.failures.push(line);
      }
    }
  }
  report.epochs = nodes[0]?.replica?.status().epoch ?? 0;
  if (report.failures.length > 0) {
    report.failures.push(`trouble: ${trouble}, losses ${losses}, upgrades ${upgrades}`, ...log.slice(-60));
  }
  for (const node of nodes) {
    if (node.life !== undefined) {
      node.life.alive = false;
    }
    unplug(node.disk);
  }
  return report;
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

/** A second implementation of what the commands do, by plain objects. */
class Model {
  queries = new Map<string, { name: string; version: number }>();
  users = new Map<string, number>();

  apply(position: number, draft: Draft): Result {
    const args = draft.args as { id: string; name: string };
    if (draft.expect !== undefined) {
      const version = this.queries.get(draft.expect.resource.slice('query/'.length))?.version ?? 0;
      if (version !== draft.expect.version) {
        return { ok: false, code: 'version-conflict', message: '' };
      }
    }
    switch (draft.kind) {
      case 'query.put':
        this.queries.set(args.id, { name: args.name, version: position });
        return { ok: true };
      case 'query.stamp': {
        const query = this.queries.get(args.id);
        if (query !== undefined) {
          query.version = position;
        }
        return { ok: true };
      }
      case 'query.delete':
        return this.queries.delete(args.id) ? { ok: true } : { ok: false, code: 'not-found', message: '' };
      case 'user.create':
        if (this.users.has(args.name)) {
          return { ok: false, code: 'exists', message: '' };
        }
        this.users.set(args.name, position);
        return { ok: true };
      default:
        if (!this.users.has(args.name)) {
          return { ok: false, code: 'not-found', message: '' };
        }
        if (this.users.size === 1) {
          return { ok: false, code: 'denied', message: '' };
        }
        this.users.delete(args.name);
        return { ok: true };
    }
  }
}

const short = (result: Result | undefined): string =>
  result === undefined ? 'nothing' : result.ok ? 'ok' : result.code;

function judge(
  instances: { name: string; db: Store }[],
  drafts: Map<string, Draft>,
  acknowledged: Map<string, Outcome>,
  report: HistoryReport,
): void {
  const [first, ...others] = instances.map(({ name, db }) => ({ name, db, rows: contents(db) }));
  if (first === undefined) {
    return;
  }
  for (const other of others) {
    for (const [table, rows] of Object.entries(first.rows)) {
      if (JSON.stringify(rows) !== JSON.stringify(other.rows[table])) {
        report.failures.push(`${table} differs on ${first.name} and ${other.name}`);
      }
    }
  }
  const model = new Model();
  const seen = new Set<string>();
  for (const { position, id, outcome } of first.db
    .prepare<[], { position: number; id: string; outcome: string }>(
      'SELECT position, id, outcome FROM audit ORDER BY position',
    )
    .all()) {
    const draft = drafts.get(id);
    if (draft === undefined) {
      continue;
    }
    if (seen.has(id)) {
      report.failures.push(`${id} was applied twice`);
    }
    seen.add(id);
    const expected = outcome === 'not-active' ? 'not-active' : short(model.apply(position, draft));
    if (expected !== outcome) {
      report.failures.push(`position ${position}, ${draft.kind}: ${outcome}, the model says ${expected}`);
    }
    if (draft.kind === 'query.stamp' && outcome === 'ok') {
      report.stamps += 1;
    }
    const answer = acknowledged.get(id);
    if (answer !== undefined && (answer.position !== position || short(answer.result) !== outcome)) {
      report.failures.push(
        `${id} was answered ${answer.position} ${short(answer.result)} and is at ${position} ${outcome}`,
      );
    }
  }
  for (const [id, outcome] of acknowledged) {
    // Before the first schema is active there is no audit row.
    const early = !outcome.result.ok && outcome.result.code === 'not-active';
    if (!seen.has(id) && !early) {
      report.failures.push(`${id} was acknowledged at ${outcome.position} and is lost`);
    }
  }
  const queries = first.db
    .prepare<[], { id: string; name: string; version: number }>(
      'SELECT id, name, version FROM saved_queries ORDER BY id',
    )
    .all();
  const users = first.db
    .prepare<[], { name: string; version: number }>('SELECT name, version FROM users ORDER BY name')
    .all();
  const modelled = {
    queries: [...model.queries].map(([id, q]) => ({ id, ...q })).sort((a, b) => (a.id < b.id ? -1 : 1)),
    users: [...model.users].map(([name, version]) => ({ name, version })).sort((a, b) => (a.name < b.name ? -1 : 1)),
  };
  if (JSON.stringify({ queries, users }) !== JSON.stringify(modelled)) {
    report.failures.push(
      `the tables are ${JSON.stringify({ queries, users })}, the model's ${JSON.stringify(modelled)}`,
    );
  }
}
