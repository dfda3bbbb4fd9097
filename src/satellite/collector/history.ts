import { chmodSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { addonPath } from '../../assets.ts';
import { TIME_COLUMN, UNIX_MS_COLUMN, type CollectedTable, type Row, type SqlInput } from '../table.ts';
import type { Limits } from './settings.ts';

/** Rows deleted at once: the process that beats does not stop for longer than some milliseconds. */
const BLOCK = 2_000;
const PAGE_BYTES = 4096;
/** Free pages that are left in the file for what comes next; others are given back to the file system. */
const SPARE_PAGES = 512;
const VACUUM_PAGES = 2_048;
/** What a row needs besides its texts, at most about. */
const ROW_BYTES = 16;
const NUMBER_BYTES = 6;
/** Nobody else writes; if somebody does, heartbeats must not wait. */
const BUSY_MS = 200;
const WAL_KEPT_BYTES = 4 * 1024 * 1024;

/** Tables of the collector's own, which statements may not read. */
const INTERNAL = [
  'CREATE TABLE log_positions (file TEXT PRIMARY KEY, identity TEXT NOT NULL, position INTEGER NOT NULL, partial ' +
    'TEXT NOT NULL) WITHOUT ROWID',
];

interface Appender {
  insert: Database.Statement;
  columns: string[];
  texts: string[];
  /** Bytes and rows that the table holds, by our own estimate. */
  bytes: number;
  rows: number;
}

/** How a table is created; the time as text is computed when it is read. */
export function createSql(table: CollectedTable): string {
  const columns = table.columns.map(({ name, type }) => {
    if (table.kind !== 'history') {
      return `${name} ${type}`;
    }
    if (name === TIME_COLUMN) {
      return (
        `${name} text GENERATED ALWAYS AS (strftime('%Y-%m-%dT%H:%M:%fZ', ${UNIX_MS_COLUMN} / 1000.0, 'unixepoch')) ` +
        'VIRTUAL'
      );
    }
    return name === UNIX_MS_COLUMN ? `${name} integer NOT NULL` : `${name} ${type}`;
  });
  return `CREATE TABLE ${table.name} (${columns.join(', ')})`;
}

/** Whether an error says that the file is no sound database (any more). */
export function isDamage(error: unknown): boolean {
  return /^SQLITE_(CORRUPT|NOTADB)/.test((error as { code?: string }).code ?? '');
}

/** Removes a database's files; who has them open goes on with what is no longer there. */
export function removeDatabase(file: string): void {
  for (const suffix of ['', '-wal', '-shm']) {
    rmSync(`${file}${suffix}`, { force: true });
  }
}

/**
 * The satellite's database: bounded tables of what was collected, in one file of mode 0600 that statements read while
 * it is written.
 * Its readers are other processes: locks are a process's, and another SQLite library in this one would neither see nor
 * respect them.
 * What is in it can be lost: a damaged file, or a table of another release, is begun anew. All calls block for
 * milliseconds at most.
 */
export class History {
  readonly file: string;
  readonly #db: Database.Database;
  readonly #appenders = new Map<string, Appender>();
  readonly #limits: Record<string, Limits>;
  readonly #maxFileBytes: number;

  /** @throws what SQLite throws where the file cannot be opened and not be replaced either */
  static open(file: string, tables: CollectedTable[], limits: Record<string, Limits>, maxFileBytes: number): History {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    try {
      return new History(file, tables, limits, maxFileBytes);
    } catch (error) {
      if (!isDamage(error)) {
        throw error;
      }
      removeDatabase(file);
      return new History(file, tables, limits, maxFileBytes);
    }
  }

  private constructor(file: string, tables: CollectedTable[], limits: Record<string, Limits>, maxFileBytes: number) {
    this.file = file;
    this.#limits = limits;
    this.#maxFileBytes = maxFileBytes;
    const umask = process.umask(0o077);
    try {
      this.#db = new Database(file, { nativeBinding: addonPath(), timeout: BUSY_MS });
      this.#db.pragma(`page_size = ${PAGE_BYTES}`);
      // Before the first table, or it has no effect.
      this.#db.pragma('auto_vacuum = INCREMENTAL');
      this.#db.pragma('journal_mode = WAL');
    } finally {
      process.umask(umask);
    }
    chmodSync(file, 0o600);
    this.#db.pragma('synchronous = NORMAL');
    this.#db.pragma(`journal_size_limit = ${WAL_KEPT_BYTES}`);
    this.#db.pragma('cache_size = -1024');
    this.#db.pragma(`max_page_count = ${Math.floor(maxFileBytes / PAGE_BYTES)}`);
    this.#createTables(tables);
    for (const table of tables) {
      this.#prepare(table);
    }
  }

  #createTables(tables: CollectedTable[]): void {
    const wanted = new Map(
      [...tables.map(createSql), ...INTERNAL].map((sql) => [/^CREATE TABLE (\w+)/.exec(sql)?.[1] ?? '', sql]),
    );
    const found = this.#db
      .prepare<[], { name: string; sql: string }>("SELECT name, sql FROM sqlite_schema WHERE type = 'table'")
      .all();
    this.#db.transaction(() => {
      for (const { name, sql } of found) {
        if (wanted.get(name) === sql) {
          wanted.delete(name);
        } else {
          this.#db.exec(`DROP TABLE ${name}`);
        }
      }
      for (const sql of wanted.values()) {
        this.#db.exec(sql);
      }
    })();
  }

  #prepare(table: CollectedTable): void {
    const stored = table.columns.filter((c) => table.kind !== 'history' || c.name !== TIME_COLUMN);
    const columns = stored.map((c) => c.name);
    const texts = stored.filter((c) => c.type === 'text').map((c) => c.name);
    const insert = this.#db.prepare(
      `INSERT INTO ${table.name} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`,
    );
    const appender: Appender = { insert, columns, texts, bytes: 0, rows: 0 };
    this.#appenders.set(table.name, appender);
    Object.assign(appender, this.#measure(table.name, appender, `SELECT * FROM ${table.name}`));
  }

  #measure(name: string, { columns, texts }: Appender, from: string): { bytes: number; rows: number } {
    const perRow = ROW_BYTES + (columns.length - texts.length) * NUMBER_BYTES;
    const sum = texts.map((t) => `ifnull(octet_length(${t}), 0)`).join(' + ');
    const { rows, bytes } = this.#db
      .prepare<[], { rows: number; bytes: number | null }>(
        `SELECT count(*) AS rows, sum(${sum === '' ? '0' : sum}) AS bytes FROM (${from})`,
      )
      .get() ?? { rows: 0, bytes: 0 };
    return { rows, bytes: (bytes ?? 0) + rows * perRow };
  }

  #of(name: string): Appender {
    const appender = this.#appenders.get(name);
    if (appender === undefined) {
      throw new RangeError(`no table ${name}`);
    }
    return appender;
  }

  /**
   * Everything in `write` becomes visible at once or not at all; where the file is full, the oldest rows make room
   * first.
   */
  transaction(write: () => void): void {
    const counted = [...this.#appenders.values()].map((a) => ({ a, rows: a.rows, bytes: a.bytes }));
    const attempt = (): void => {
      try {
        this.#db.transaction(write).immediate();
      } catch (error) {
        for (const { a, rows, bytes } of counted) {
          Object.assign(a, { rows, bytes });
        }
        throw error;
      }
    };
    try {
      attempt();
    } catch (error) {
      if ((error as { code?: string }).code !== 'SQLITE_FULL' || !this.#shrinkLargest()) {
        throw error;
      }
      for (const entry of counted) {
        Object.assign(entry, { rows: entry.a.rows, bytes: entry.a.bytes });
      }
      attempt();
    }
  }

  /** Adds rows to a table; a row of history has its `unix_ms`. Within `transaction`. */
  append(table: string, rows: Row[]): void {
    const appender = this.#of(table);
    for (const row of rows) {
      appender.insert.run(...appender.columns.map((c): SqlInput => row[c] ?? null));
      appender.rows += 1;
      appender.bytes += ROW_BYTES + (appender.columns.length - appender.texts.length) * NUMBER_BYTES;
      for (const t of appender.texts) {
        const value = row[t];
        if (typeof value === 'string') {
          appender.bytes += Buffer.byteLength(value);
        }
      }
    }
  }

  /** Puts these rows in the place of all that a table has. Within `transaction`. */
  replace(table: string, rows: Row[]): void {
    const appender = this.#of(table);
    this.#db.exec(`DELETE FROM ${table}`);
    appender.rows = 0;
    appender.bytes = 0;
    this.append(table, rows);
  }

  /** Runs a statement of our own. */
  all<T>(sql: string, ...values: SqlInput[]): T[] {
    return this.#db.prepare<SqlInput[], T>(sql).all(...values);
  }

  run(sql: string, ...values: SqlInput[]): void {
    this.#db.prepare(sql).run(...values);
  }

  /** Rows and bytes of a table, by our own estimate. */
  usage(table: string): { rows: number; bytes: number } {
    const { rows, bytes } = this.#of(table);
    return { rows, bytes };
  }

  /** Bytes of the file, and of its write-ahead log: a log that grows is held by a statement that reads for long. */
  size(): { file: number; wal: number } {
    const of = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    return { file: of(this.file), wal: of(`${this.file}-wal`) };
  }

  /** Deletes what is too old or too much, and gives the space back. */
  prune(now: number): void {
    for (const [name, { maxAgeMs, maxBytes }] of Object.entries(this.#limits)) {
      if (!this.#appenders.has(name)) {
        continue;
      }
      while (this.#deleteOldest(name, BLOCK, now - maxAgeMs) === BLOCK) {}
      this.#shrink(name, maxBytes);
    }
    this.#vacuum();
    // Overhead of pages and rows may be more than was reckoned.
    while (this.#pages() * PAGE_BYTES > this.#maxFileBytes * 0.95 && this.#shrinkLargest()) {}
  }

  /** Goes a little below the limit, so that this is not needed again at once. */
  #shrink(name: string, maxBytes: number): void {
    const table = this.#of(name);
    if (table.bytes <= maxBytes) {
      return;
    }
    const enough = maxBytes * 0.97;
    while (table.rows > 0 && table.bytes > enough) {
      const surplus = Math.ceil((table.rows * (table.bytes - enough)) / table.bytes);
      if (this.#deleteOldest(name, Math.min(surplus, BLOCK)) === 0) {
        return;
      }
    }
  }

  #shrinkLargest(): boolean {
    const [largest] = [...this.#appenders]
      .filter(([name]) => name in this.#limits)
      .sort(([, a], [, b]) => b.bytes - a.bytes);
    if (largest === undefined || largest[1].rows === 0) {
      return false;
    }
    const [name, { bytes }] = largest;
    this.#shrink(name, bytes * 0.9);
    this.#vacuum();
    return true;
  }

  /** Deletes those of the first `n` rows that are older than `before`; returns how many. */
  #deleteOldest(name: string, n: number, before = Number.MAX_SAFE_INTEGER): number {
    const table = this.#of(name);
    const chosen =
      `SELECT rowid FROM ${name} WHERE rowid IN (SELECT rowid FROM ${name} ORDER BY rowid LIMIT ${n}) AND ` +
      `${UNIX_MS_COLUMN} < ${before}`;
    const { rows, bytes } = this.#measure(name, table, `SELECT * FROM ${name} WHERE rowid IN (${chosen})`);
    if (rows === 0) {
      return 0;
    }
    this.#db.exec(`DELETE FROM ${name} WHERE rowid IN (${chosen})`);
    table.rows -= rows;
    table.bytes -= bytes;
    return rows;
  }

  #pages(): number {
    return this.#db.pragma('page_count', { simple: true }) as number;
  }

  #vacuum(): void {
    for (;;) {
      const surplus = (this.#db.pragma('freelist_count', { simple: true }) as number) - SPARE_PAGES;
      if (surplus <= 0) {
        break;
      }
      this.#db.exec(`PRAGMA incremental_vacuum(${Math.min(surplus, VACUUM_PAGES)})`);
    }
    // Only then the file itself is cut; where a statement still reads, at the next time.
    this.#db.pragma('wal_checkpoint(PASSIVE)');
  }

  close(): void {
    this.#db.close();
  }
}
