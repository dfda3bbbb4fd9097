import { hash } from 'node:crypto';
import Database from 'better-sqlite3';
import type { Store } from './database.ts';
import { decodeMessage, type Command } from './entry.ts';
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
  /** The message before the first one of this epoch's stream. */
  base: number;
  /** Last applied message; counted on through epochs. */
  message: number;
  /** Last applied entry; counted on through epochs. */
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
    super(
      `position ${position} (${what}) cannot be applied: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
    this.position = position;
  }
}

/** Positions between two hashes of whole tables. */
export const WHOLE_TABLES_EVERY = 1000;
/**
 * Positions for which ids, and messages for which hash and chain are kept. At 400 writes a second 8 minutes, at one a
 * minute 19 weeks; a client repeats within seconds.
 */
export const KEEP_SEEN = 200_000;
/** Rows of the audit log. */
export const KEEP_AUDIT = 100_000;

/**
 * Rows that are never changed after they are written, so that each is hashed whole once: with the other rows of its
 * thousand positions.
 */
const APPEND_ONLY = new Set(['audit', 'schedule_rows', 'satellite_states']);

const INTERNAL = `
CREATE TABLE IF NOT EXISTS _meta (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  epoch INTEGER NOT NULL, base INTEGER NOT NULL, message INTEGER NOT NULL, position INTEGER NOT NULL, chain TEXT NOT NULL, schema INTEGER NOT NULL
) STRICT;
INSERT OR IGNORE INTO _meta VALUES (1, 0, 0, 0, 0, '', 0);
CREATE TABLE IF NOT EXISTS _seen (id TEXT PRIMARY KEY, position INTEGER NOT NULL, result TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS _seen_position ON _seen (position);
CREATE TABLE IF NOT EXISTS _history (message INTEGER PRIMARY KEY, hash BLOB NOT NULL, chain TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS _log (message INTEGER PRIMARY KEY, entry BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS _sums (name TEXT PRIMARY KEY, rows INTEGER NOT NULL, sum TEXT NOT NULL) STRICT;
`;

/** Applies messages of entries to a database, one after the other. Everything here is synchronous. */
export interface Machine {
  db: Store;
  meta(): Meta;
  /**
   * Applies messages that follow the last one, in one transaction.
   * @throws Broken; the messages before the one in question have been applied then.
   */
  apply(messages: Uint8Array[]): AppliedEntry[];
  /** The outcome of a command by its id; undefined where it has not been applied. */
  find(id: string): Outcome | undefined;
  /** Chain after a message (hexadecimal); undefined where it is not known any more. */
  chainAt(message: number): string | undefined;
  /** Hashes of the messages in [from, to], hexadecimal, by number. */
  messageHashes(from: number, to: number): Map<number, string>;
  /** Goes on under a new epoch, whose first message will be the next one. */
  startEpoch(epoch: number): void;
  /** Drops messages up to a number from `_log`. */
  trimLog(message: number): void;
  close(): void;
}

export const hashMessage = (message: Uint8Array): string => hash('sha256', message, 'hex');

/** A release may add to the internal tables; a schema that was damaged before is not taken for the new one. */
function createInternal(db: Store): void {
  const whole =
    db.prepare("SELECT 1 FROM sqlite_schema WHERE name = '_sums'").get() === undefined ||
    [undefined, schemaSum(db)].includes(carriedSchemaSum(db));
  db.exec(INTERNAL);
  if (whole && carriedSchemaSum(db) !== schemaSum(db)) {
    carrySchemaSum(db);
  }
}

/**
 * A rule of the tables that a command breaks is a refusal as well, equal on every instance: stopping there would stop
 * all of them, for good. SQLite's own sentence may be another one in the next release, its codes are not.
 */
function refusalOf(error: unknown): Pick<Refusal, 'code' | 'message'> | undefined {
  if (error instanceof Refusal) {
    return error;
  }
  if (!(error instanceof Database.SqliteError) || !error.code.startsWith('SQLITE_CONSTRAINT')) {
    return undefined;
  }
  return { code: 'invalid', message: `The change does not fit the tables of the cloud (${error.code}).` };
}

interface Decoded {
  bytes: Uint8Array;
  commands: Command[];
}

/** @param db a writable connection of its own: functions are overridden and triggers added on it. */
export function openMachine(db: Store, options: MachineOptions): Machine {
  const step = options.step ?? ((): void => undefined);
  createInternal(db);
  db.pragma('recursive_triggers = ON');
  const readMeta = db.prepare<[], Meta>('SELECT epoch, base, message, position, chain, schema FROM _meta');
  const readSums = db.prepare<[], { name: string; rows: number; sum: string }>('SELECT name, rows, sum FROM _sums');
  const sql = {
    meta: db.prepare(
      'UPDATE _meta SET epoch = @epoch, base = @base, message = @message, position = @position, chain = @chain, ' +
        'schema = @schema',
    ),
    seen: db.prepare<[string], { position: number; result: string }>('SELECT position, result FROM _seen WHERE id = ?'),
    remember: db.prepare('INSERT INTO _seen (id, position, result) VALUES (?, ?, ?)'),
    history: db.prepare('INSERT INTO _history (message, hash, chain) VALUES (?, ?, ?)'),
    chain: db.prepare<[number], string>('SELECT chain FROM _history WHERE message = ?').pluck(),
    hashes: db.prepare<[number, number], { message: number; hash: Buffer }>(
      'SELECT message, hash FROM _history WHERE message BETWEEN ? AND ?',
    ),
    log: db.prepare('INSERT INTO _log (message, entry) VALUES (?, ?)'),
    sum: db.prepare(
      'INSERT INTO _sums (name, rows, sum) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET rows = excluded.rows, ' +
        'sum = excluded.sum',
    ),
    trimLog: db.prepare('DELETE FROM _log WHERE message <= ?'),
    begin: db.prepare('BEGIN IMMEDIATE'),
    commit: db.prepare('COMMIT'),
    savepoint: db.prepare('SAVEPOINT command'),
    release: db.prepare('RELEASE command'),
    forgetSeen: db.prepare('DELETE FROM _seen WHERE position <= ?'),
    forgetHistory: db.prepare('DELETE FROM _history WHERE message <= ?'),
  };
  let meta = readMeta.get() as Meta;
  const loadSums = (): Sums =>
    new Map(
      readSums
        .all()
        .filter((r) => r.name !== SCHEMA_SUM)
        .map((r) => [r.name, { rows: r.rows, sum: BigInt(`0x${r.sum}`) }]),
    );
  forbidImpureSql(db);
  const images = recordImages(db);
  images.watch();
  images.setSums(loadSums());

  const statements = new Map<string, Database.Statement>();
  const prepared = (text: string): Database.Statement => {
    let statement = statements.get(text);
    if (statement === undefined) {
      statements.set(text, (statement = db.prepare(text)));
    }
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
        if (version > supported) {
          throw new Error(`schema ${version} is newer than this release's ${supported}`);
        }
        if (version <= meta.schema) {
          throw new Refusal('exists', `Schema ${meta.schema} is active already.`);
        }
        for (const migration of options.schema) {
          if (migration.version > meta.schema && migration.version <= version) {
            db.exec(migration.sql);
          }
        }
        images.watch();
        images.setSums(new Map(summedTables(db).map((table) => [table, scanTable(db, table)])));
        meta = { ...meta, schema: version };
      },
    };
  }

  /** The command's audit row included, so that either both are there or, for a refusal, only that. */
  function carryOut(tx: Tx, command: Command): Result {
    const kind = options.kinds.get(command.kind);
    if (kind === undefined) {
      throw new Error('a kind of command that this release does not know');
    }
    sql.savepoint.run();
    try {
      if (meta.schema < kind.since) {
        throw new Refusal('not-active', `This change needs schema ${kind.since}, and ${meta.schema} is active.`);
      }
      if (command.expect !== undefined) {
        const version = versionOf(tx, command.expect.resource);
        if (version !== command.expect.version) {
          throw new Refusal(
            'version-conflict',
            `${command.expect.resource} has version ${version}, not ${command.expect.version}.`,
          );
        }
      }
      const { value, changes } = kind.apply(tx, command);
      const result: Result = value === undefined ? { ok: true } : { ok: true, value };
      if (kind.audited !== false) {
        audit(tx, command, result, changes);
      }
      sql.release.run();
      return result;
    } catch (error) {
      const refusal = refusalOf(error);
      if (refusal === undefined) {
        throw error;
      }
      db.exec('ROLLBACK TO command; RELEASE command');
      images.discard();
      const result: Result = { ok: false, code: refusal.code, message: refusal.message };
      if (kind.audited !== false) {
        audit(tx, command, result, []);
      }
      return result;
    }
  }

  function audit(tx: Tx, command: Command, result: Result, changes: Change[]): void {
    if (meta.schema < 1) {
      return;
    }
    tx.run(
      'INSERT INTO audit (position, id, at, actor, kind, outcome, resource, changes) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
      tx.position,
      command.id,
      command.at,
      command.actor,
      command.kind,
      result.ok ? 'ok' : result.code,
      changes[0]?.resource ?? command.expect?.resource ?? null,
      JSON.stringify(changes),
    );
  }

  /** Every thousandth position: old rows go, and what the chain gets to know of whole tables. */
  function wholeTables(tx: Tx): string {
    sql.forgetSeen.run(tx.position - KEEP_SEEN);
    sql.forgetHistory.run(meta.message - KEEP_SEEN);
    if (meta.schema < 1) {
      return '';
    }
    tx.run(
      'DELETE FROM audit WHERE position <= (SELECT position FROM audit ORDER BY position DESC LIMIT 1 OFFSET ?)',
      KEEP_AUDIT,
    );
    const sums = images.sums();
    let text = '';
    for (const table of replicatedTables(db)) {
      const newest = APPEND_ONLY.has(table);
      const found = scanTable(db, table, newest ? `position > ${tx.position - WHOLE_TABLES_EVERY}` : 'true');
      const carried = sums.get(table);
      if (!newest && (carried?.rows !== found.rows || carried.sum !== found.sum)) {
        throw new Error(`the table ${table} is not what was written to it`);
      }
      text += `${table}=${found.rows}:${found.sum.toString(16)};`;
    }
    return text;
  }

  function applyMessage({ bytes, commands }: Decoded): AppliedEntry[] {
    const messageHash = hashMessage(bytes);
    const message = meta.message + 1;
    const applied = commands.map((command) => {
      const one = applyOne(messageHash, command);
      step('applied');
      return one;
    });
    sql.history.run(message, Buffer.from(messageHash, 'hex'), meta.chain);
    images.take();
    if (options.keepLog) {
      sql.log.run(message, bytes);
    }
    meta = { ...meta, message };
    return applied;
  }

  function applyOne(messageHash: string, command: Command): AppliedEntry {
    const position = meta.position + 1;
    const tx = transaction(position);
    const before = sql.seen.get(command.id);
    let outcome: Outcome;
    let covered: string;
    if (before !== undefined) {
      outcome = { position: before.position, result: JSON.parse(before.result) as Result };
      covered = 'again';
    } else {
      const result = purely(() => carryOut(tx, command));
      const text = JSON.stringify(result);
      sql.remember.run(command.id, position, text);
      outcome = { position, result };
      covered = text;
    }
    if (position % WHOLE_TABLES_EVERY === 0) {
      covered += wholeTables(tx);
    }
    const { effects, sums } = images.take();
    if (command.kind === 'schema.activate') {
      for (const [table, s] of [...sums].sort()) {
        if (!table.startsWith('_')) {
          covered += `${table}=${s.rows}:${s.sum.toString(16)};`;
        }
      }
    }
    const chain = hash('sha256', `${meta.chain}|${position}|${messageHash}|${covered}|${effects}`, 'hex');
    meta = { ...meta, position, chain };
    return { ...outcome, at: position, id: command.id, kind: command.kind, args: command.args };
  }

  function flush(sumsBefore: Sums, schemaBefore: number): void {
    if (meta.schema !== schemaBefore) {
      carrySchemaSum(db);
    }
    for (const [table, s] of images.sums()) {
      const old = sumsBefore.get(table);
      if (old?.rows !== s.rows || old.sum !== s.sum) {
        sql.sum.run(table, s.rows, s.sum.toString(16));
      }
    }
    sql.meta.run(meta);
  }

  /** One transaction. @throws what an entry throws, with nothing changed. */
  function applyTogether(messages: Decoded[]): AppliedEntry[] {
    const before = { meta, sums: images.sums() };
    const applied: AppliedEntry[] = [];
    let reached = 0;
    sql.begin.run();
    try {
      for (const message of messages) {
        applied.push(...applyMessage(message));
        reached += 1;
      }
      flush(before.sums, before.meta.schema);
      step('before commit');
      sql.commit.run();
    } catch (error) {
      if (db.inTransaction) {
        db.exec('ROLLBACK');
      }
      const schemaChanged = meta.schema !== before.meta.schema;
      const { position } = meta;
      meta = before.meta;
      if (schemaChanged) {
        images.watch();
      }
      images.setSums(before.sums);
      const failed = messages[reached];
      if (failed === undefined) {
        // The disk is full, or does not answer: whether it is written already, only the database knows.
        meta = readMeta.get() as Meta;
        images.setSums(loadSums());
        throw error;
      }
      const earlier = reached === 0 ? [] : applyTogether(messages.slice(0, reached));
      const broken = new Broken(position + 1, failed.commands[position - meta.position]?.kind ?? 'no entry', error);
      broken.applied = earlier;
      throw broken;
    }
    step('after commit');
    return applied;
  }

  return {
    db,
    meta: () => meta,
    apply(messages) {
      const applied: AppliedEntry[] = [];
      let group: Decoded[] = [];
      const run = (): void => {
        try {
          if (group.length > 0) {
            applied.push(...applyTogether(group));
          }
        } catch (error) {
          if (error instanceof Broken) {
            error.applied = [...applied, ...error.applied];
          }
          throw error;
        }
        group = [];
      };
      for (const bytes of messages) {
        let commands: Command[];
        try {
          commands = decodeMessage(bytes);
        } catch (error) {
          run();
          const broken = new Broken(meta.position + 1, 'no entry of this release', error);
          broken.applied = applied;
          throw broken;
        }
        // A migration is on its own: the sums are counted anew after it.
        const migrates = commands.some((c) => c.kind === 'schema.activate');
        if (migrates) {
          run();
        }
        group.push({ bytes, commands });
        if (migrates) {
          run();
        }
      }
      run();
      return applied;
    },
    find(id) {
      const row = sql.seen.get(id);
      return row === undefined ? undefined : { position: row.position, result: JSON.parse(row.result) as Result };
    },
    chainAt: (message) => (message === meta.message ? meta.chain : sql.chain.get(message)),
    messageHashes: (from, to) => new Map(sql.hashes.all(from, to).map((r) => [r.message, r.hash.toString('hex')])),
    startEpoch(epoch) {
      meta = { ...meta, epoch, base: meta.message };
      sql.meta.run(meta);
    },
    trimLog: (message) => void sql.trimLog.run(message),
    close: () => db.close(),
  };
}
