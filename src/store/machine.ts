import { hash } from 'node:crypto';
import type Database from 'better-sqlite3';
import type { Store } from './database.ts';
import { decodeEntry, type Command } from './entry.ts';
import { recordImages, replicatedTables, scanTable, summedTables, type Sums } from './images.ts';
import { Refusal, type Change, type Json, type Kinds, type Migration, type RefusalCode, type Tx } from './kind.ts';
import { forbidImpureSql, purely } from './purity.ts';
import { versionOf } from './resources.ts';
import { SCHEMA_SUM, carriedSchemaSum, carrySchemaSum, schemaSum } from './schema-sum.ts';

/** What a command came to: the same on every instance, and for every repetition of its id. */
export type Result = { ok: true; value?: Json } | { ok: false; code: RefusalCode; message: string };

export interface Outcome {
  /** Where the command was applied; from there on all instances have it. */
  position: number;
  result: Result;
}

export interface Meta {
  /** 0: an empty database that belongs to no history. It grows by one with each new stream. */
  epoch: number;
  /** Position before the first message of this epoch's stream: message n is position base + n. */
  base: number;
  /** Last applied; it goes on counting through epochs. */
  position: number;
  /** Hexadecimal sha256. */
  chain: string;
  /** Active schema. */
  schema: number;
}

export interface AppliedEntry extends Outcome {
  /** The position of this entry, which for a repeated id is not that of its outcome. */
  at: number;
  id: string;
  kind: string;
  /** As the kind's schema has them. */
  args: unknown;
}

export interface MachineOptions {
  kinds: Kinds;
  schema: Migration[];
  /** Entries are kept in `_log`: with one instance, where no stream has them. */
  keepLog: boolean;
  /** Called between any two steps; a test throws here, as a crash does. */
  step?: (name: string) => void;
}

/** The applier cannot go on: an entry that this release cannot apply, or a fault of ours or of the disk. */
export class Broken extends Error {
  override name = 'Broken';
  readonly position: number;
  /** What was applied before it. */
  applied: AppliedEntry[] = [];
  constructor(position: number, what: string, cause: unknown) {
    super(`position ${position} (${what}) cannot be applied: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.position = position;
  }
}

/** Positions between two hashes of whole tables. */
export const WHOLE_TABLES_EVERY = 1000;
/** Positions for which ids, entry hashes and chain are kept; and audit rows. At 400 writes a second 8 minutes, at one a minute 19 weeks; a client repeats within seconds. */
export const KEEP_SEEN = 200_000;
export const KEEP_AUDIT = 100_000;

/** Never changed after they are written, so that each is hashed whole once: with the other rows of its thousand positions. */
const APPEND_ONLY = new Set(['audit', 'schedule_rows']);

const INTERNAL = `
CREATE TABLE IF NOT EXISTS _meta (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  epoch INTEGER NOT NULL, base INTEGER NOT NULL, position INTEGER NOT NULL, chain TEXT NOT NULL, schema INTEGER NOT NULL
) STRICT;
INSERT OR IGNORE INTO _meta VALUES (1, 0, 0, 0, '', 0);
CREATE TABLE IF NOT EXISTS _seen (id TEXT PRIMARY KEY, position INTEGER NOT NULL, result TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS _seen_position ON _seen (position);
CREATE TABLE IF NOT EXISTS _history (position INTEGER PRIMARY KEY, entry BLOB NOT NULL, chain TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS _log (position INTEGER PRIMARY KEY, entry BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS _sums (name TEXT PRIMARY KEY, rows INTEGER NOT NULL, sum TEXT NOT NULL) STRICT;
`;

/** Applies entries to a database, one after the other. Everything here is synchronous. */
export interface Machine {
  db: Store;
  meta(): Meta;
  /**
   * Applies entries that follow the current position, in one transaction.
   * @throws Broken; what came before the entry in question has been applied then.
   */
  apply(entries: Uint8Array[]): AppliedEntry[];
  /** The outcome of a command by its id; undefined where it has not been applied. */
  find(id: string): Outcome | undefined;
  /** Chain after a position (hexadecimal); undefined where it is not known any more. */
  chainAt(position: number): string | undefined;
  /** Hashes of the entries in [from, to], hexadecimal, by position. */
  entryHashes(from: number, to: number): Map<number, string>;
  /** Goes on under a new epoch, whose first message will be the next position. */
  startEpoch(epoch: number): void;
  /** Drops entries up to a position from `_log`. */
  trimLog(position: number): void;
  close(): void;
}

export const hashEntry = (entry: Uint8Array): string => hash('sha256', entry, 'hex');

/** A release may add to the internal tables; a schema that was damaged before is not taken for the new one. */
function createInternal(db: Store): void {
  const whole = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = '_sums'").get() === undefined || [undefined, schemaSum(db)].includes(carriedSchemaSum(db));
  db.exec(INTERNAL);
  if (whole && carriedSchemaSum(db) !== schemaSum(db)) carrySchemaSum(db);
}

/** @param db a writable connection of its own: functions are overridden and triggers added on it. */
export function openMachine(db: Store, options: MachineOptions): Machine {
  const step = options.step ?? ((): void => undefined);
  createInternal(db);
  db.pragma('recursive_triggers = ON');
  const readMeta = db.prepare<[], Meta>('SELECT epoch, base, position, chain, schema FROM _meta');
  const readSums = db.prepare<[], { name: string; rows: number; sum: string }>('SELECT name, rows, sum FROM _sums');
  const sql = {
    meta: db.prepare('UPDATE _meta SET epoch = @epoch, base = @base, position = @position, chain = @chain, schema = @schema'),
    seen: db.prepare<[string], { position: number; result: string }>('SELECT position, result FROM _seen WHERE id = ?'),
    remember: db.prepare('INSERT INTO _seen (id, position, result) VALUES (?, ?, ?)'),
    history: db.prepare('INSERT INTO _history (position, entry, chain) VALUES (?, ?, ?)'),
    chain: db.prepare<[number], string>('SELECT chain FROM _history WHERE position = ?').pluck(),
    hashes: db.prepare<[number, number], { position: number; entry: Buffer }>('SELECT position, entry FROM _history WHERE position BETWEEN ? AND ?'),
    log: db.prepare('INSERT INTO _log (position, entry) VALUES (?, ?)'),
    sum: db.prepare('INSERT INTO _sums (name, rows, sum) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET rows = excluded.rows, sum = excluded.sum'),
    trimLog: db.prepare('DELETE FROM _log WHERE position <= ?'),
    begin: db.prepare('BEGIN IMMEDIATE'),
    commit: db.prepare('COMMIT'),
    savepoint: db.prepare('SAVEPOINT command'),
    release: db.prepare('RELEASE command'),
    forgetSeen: db.prepare('DELETE FROM _seen WHERE position <= ?'),
    forgetHistory: db.prepare('DELETE FROM _history WHERE position <= ?'),
  };
  let meta = readMeta.get() as Meta;
  const loadSums = (): Sums => new Map(readSums.all().filter((r) => r.name !== SCHEMA_SUM).map((r) => [r.name, { rows: r.rows, sum: BigInt(`0x${r.sum}`) }]));
  forbidImpureSql(db);
  const images = recordImages(db);
  images.watch();
  images.setSums(loadSums());

  const statements = new Map<string, Database.Statement>();
  const prepared = (text: string): Database.Statement => {
    let statement = statements.get(text);
    if (statement === undefined) statements.set(text, (statement = db.prepare(text)));
    return statement;
  };
  const supported = options.schema.at(-1)?.version ?? 0;

  function transaction(position: number): Tx {
    return {
      position,
      schema: meta.schema,
      get: <Row>(text: string, ...params: unknown[]) => prepared(text).get(...params) as Row | undefined,
      all: <Row>(text: string, ...params: unknown[]) => prepared(text).all(...params) as Row[],
      run: (text, ...params) => prepared(text).run(...params).changes,
      activateSchema(version) {
        if (version > supported) throw new Error(`schema ${version} is newer than this release's ${supported}`);
        if (version <= meta.schema) throw new Refusal('exists', `Schema ${meta.schema} is active already.`);
        for (const migration of options.schema) if (migration.version > meta.schema && migration.version <= version) db.exec(migration.sql);
        images.watch();
        images.setSums(new Map(summedTables(db).map((table) => [table, scanTable(db, table)])));
        meta = { ...meta, schema: version };
      },
    };
  }

  function carryOut(tx: Tx, command: Command): { result: Result; changes: Change[] } {
    const kind = options.kinds.get(command.kind);
    if (kind === undefined) throw new Error('a kind of command that this release does not know');
    sql.savepoint.run();
    try {
      if (meta.schema < kind.since) throw new Refusal('not-active', `This change needs schema ${kind.since}, and ${meta.schema} is active.`);
      if (command.expect !== undefined) {
        const version = versionOf(tx, command.expect.resource);
        if (version !== command.expect.version) throw new Refusal('version-conflict', `${command.expect.resource} has version ${version}, not ${command.expect.version}.`);
      }
      const { value, changes } = kind.apply(tx, command);
      sql.release.run();
      return { result: value === undefined ? { ok: true } : { ok: true, value }, changes };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      db.exec('ROLLBACK TO command; RELEASE command');
      images.discard();
      return { result: { ok: false, code: error.code, message: error.message }, changes: [] };
    }
  }

  function audit(tx: Tx, command: Command, result: Result, changes: Change[]): void {
    if (meta.schema < 1) return;
    tx.run('INSERT INTO audit (position, id, at, actor, kind, outcome, resource, changes) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
      tx.position, command.id, command.at, command.actor, command.kind, result.ok ? 'ok' : result.code, changes[0]?.resource ?? command.expect?.resource ?? null, JSON.stringify(changes));
  }

  /** Every thousandth position: old rows go, and what the chain gets to know of whole tables. */
  function wholeTables(tx: Tx): string {
    sql.forgetSeen.run(tx.position - KEEP_SEEN);
    sql.forgetHistory.run(tx.position - KEEP_SEEN);
    if (meta.schema < 1) return '';
    tx.run('DELETE FROM audit WHERE position <= ?', tx.position - KEEP_AUDIT);
    const sums = images.sums();
    let text = '';
    for (const table of replicatedTables(db)) {
      const newest = APPEND_ONLY.has(table);
      const found = scanTable(db, table, newest ? `position > ${tx.position - WHOLE_TABLES_EVERY}` : 'true');
      const carried = sums.get(table);
      if (!newest && (carried?.rows !== found.rows || carried.sum !== found.sum)) throw new Error(`the table ${table} is not what was written to it`);
      text += `${table}=${found.rows}:${found.sum.toString(16)};`;
    }
    return text;
  }

  function applyOne(entry: Uint8Array, command: Command): AppliedEntry {
    const position = meta.position + 1;
    const entryHash = hashEntry(entry);
    const tx = transaction(position);
    const before = sql.seen.get(command.id);
    let outcome: Outcome;
    let covered: string;
    if (before !== undefined) {
      outcome = { position: before.position, result: JSON.parse(before.result) as Result };
      covered = 'again';
    } else {
      const { result, changes } = purely(() => carryOut(tx, command));
      if (options.kinds.get(command.kind)?.audited !== false) audit(tx, command, result, changes);
      const text = JSON.stringify(result);
      sql.remember.run(command.id, position, text);
      outcome = { position, result };
      covered = text;
    }
    if (position % WHOLE_TABLES_EVERY === 0) covered += wholeTables(tx);
    const { effects, sums } = images.take();
    if (command.kind === 'schema.activate') for (const [table, s] of [...sums].sort()) if (!table.startsWith('_')) covered += `${table}=${s.rows}:${s.sum.toString(16)};`;
    const chain = hash('sha256', `${meta.chain}|${position}|${entryHash}|${covered}|${effects}`, 'hex');
    sql.history.run(position, Buffer.from(entryHash, 'hex'), chain);
    images.take();
    if (options.keepLog) sql.log.run(position, entry);
    meta = { ...meta, position, chain };
    return { ...outcome, at: position, id: command.id, kind: command.kind, args: command.args };
  }

  function flush(sumsBefore: Sums, schemaBefore: number): void {
    if (meta.schema !== schemaBefore) carrySchemaSum(db);
    for (const [table, s] of images.sums()) {
      const old = sumsBefore.get(table);
      if (old?.rows !== s.rows || old.sum !== s.sum) sql.sum.run(table, s.rows, s.sum.toString(16));
    }
    sql.meta.run(meta);
  }

  /** One transaction. @throws what an entry throws, with nothing changed. */
  function applyTogether(entries: { bytes: Uint8Array; command: Command }[]): AppliedEntry[] {
    const before = { meta, sums: images.sums() };
    const applied: AppliedEntry[] = [];
    let reached = entries[0];
    sql.begin.run();
    try {
      for (const entry of entries) {
        reached = entry;
        const one = applyOne(entry.bytes, entry.command);
        step('applied');
        applied.push(one);
      }
      reached = undefined;
      flush(before.sums, before.meta.schema);
      step('before commit');
      sql.commit.run();
    } catch (error) {
      if (db.inTransaction) db.exec('ROLLBACK');
      const schemaChanged = meta.schema !== before.meta.schema;
      meta = before.meta;
      if (schemaChanged) images.watch();
      images.setSums(before.sums);
      if (reached === undefined) {
        // The disk is full, or does not answer: whether it is written already, only the database knows.
        meta = readMeta.get() as Meta;
        images.setSums(loadSums());
        throw error;
      }
      const earlier = applied.length === 0 ? [] : applyTogether(entries.slice(0, applied.length));
      const broken = new Broken(meta.position + 1, reached.command.kind, error);
      broken.applied = earlier;
      throw broken;
    }
    step('after commit');
    return applied;
  }

  return {
    db,
    meta: () => meta,
    apply(entries) {
      const applied: AppliedEntry[] = [];
      let group: { bytes: Uint8Array; command: Command }[] = [];
      const run = (): void => {
        try {
          if (group.length > 0) applied.push(...applyTogether(group));
        } catch (error) {
          if (error instanceof Broken) error.applied = [...applied, ...error.applied];
          throw error;
        }
        group = [];
      };
      for (const bytes of entries) {
        let command: Command;
        try {
          command = decodeEntry(bytes);
        } catch (error) {
          run();
          const broken = new Broken(meta.position + 1, 'no entry of this release', error);
          broken.applied = applied;
          throw broken;
        }
        // A migration is on its own: the sums are counted anew after it.
        if (command.kind === 'schema.activate') run();
        group.push({ bytes, command });
        if (command.kind === 'schema.activate') run();
      }
      run();
      return applied;
    },
    find(id) {
      const row = sql.seen.get(id);
      return row === undefined ? undefined : { position: row.position, result: JSON.parse(row.result) as Result };
    },
    chainAt: (position) => (position === meta.position ? meta.chain : sql.chain.get(position)),
    entryHashes: (from, to) => new Map(sql.hashes.all(from, to).map((r) => [r.position, r.entry.toString('hex')])),
    startEpoch(epoch) {
      meta = { ...meta, epoch, base: meta.position };
      sql.meta.run(meta);
    },
    trimLog: (position) => void sql.trimLog.run(position),
    close: () => db.close(),
  };
}
