import { hash } from 'node:crypto';
import type { Store } from './database.ts';

/**
 * What the hash chain covers: row images, taken by triggers of the applying connection (TEMP, so never in the file) on
 * every replicated table.
 *
 * An image is the sha256 of the table's name and all its columns, each with its type. Triggers were chosen over
 * declarations by the commands, because a command cannot forget them, and cascades and REPLACE are seen too
 * (`recursive_triggers`). SQLite's own preupdate hook and sessions are not in better-sqlite3.
 *
 * For every table the sum of its rows' images modulo 2^256 is carried along (`_sums`). It does not depend on the order
 * of rows, costs O(1) a row, and a scan of the table must come to the same: that finds a flipped bit in a database by
 * itself, without another instance.
 */
export interface TableSum {
  rows: number;
  sum: bigint;
}

export type Sums = Map<string, TableSum>;

const MODULUS = 1n << 256n;

type SqlValue = null | bigint | number | string | Buffer;

function encode(value: SqlValue): string {
  if (value === null) {
    return 'n';
  }
  if (typeof value === 'bigint') {
    return `i${value}`;
  }
  if (typeof value === 'number') {
    return `r${value}`;
  }
  if (typeof value === 'string') {
    return `t${value.length}:${value}`;
  }
  return `b${value.toString('hex')};`;
}

/** Hexadecimal sha256 of one row. */
function image(table: string, values: SqlValue[]): string {
  let text = `${table}|`;
  for (const value of values) {
    text += encode(value);
  }
  return hash('sha256', text, 'hex');
}

function add(sums: Sums, table: string, rows: number, images: bigint): void {
  const before = sums.get(table) ?? { rows: 0, sum: 0n };
  sums.set(table, { rows: before.rows + rows, sum: (before.sum + images + MODULUS) % MODULUS });
}

const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** What is kept beside the replicated tables and has sums as well, though its rows are no effects of a command. */
const KEPT = ['_history', '_seen'];

/** All tables that have a sum. */
export function summedTables(db: Store): string[] {
  return [...KEPT, ...replicatedTables(db)];
}

/** The replicated tables: all whose name does not begin with `_`. Sorted. */
export function replicatedTables(db: Store): string[] {
  return db
    .prepare<[], string>(
      "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND " +
        "name NOT LIKE '\\_%' ESCAPE '\\' ORDER BY name",
    )
    .pluck()
    .all();
}

function columnsOf(db: Store, table: string): string[] {
  return db.prepare<[string], string>("SELECT name FROM pragma_table_info(?, 'main') ORDER BY cid").pluck().all(table);
}

/** Rows read at a time, between which a check lets other work have its turn. */
const ROWS_AT_ONCE = 1000;

/**
 * Reads all of a table, in steps. @param where a condition, for the newest part of a table that is only appended to.
 */
export function* scanSteps(db: Store, table: string, where = 'true'): Generator<undefined, TableSum> {
  const sums: Sums = new Map([[table, { rows: 0, sum: 0n }]]);
  const rows = db
    .prepare<[], SqlValue[]>(
      `SELECT ${columnsOf(db, table).map(quote).join(', ')} FROM main.${quote(table)} WHERE ${where}`,
    )
    .raw()
    .safeIntegers();
  let read = 0;
  for (const row of rows.iterate()) {
    add(sums, table, 1, BigInt(`0x${image(table, row)}`));
    read += 1;
    if (read % ROWS_AT_ONCE === 0) {
      yield;
    }
  }
  return sums.get(table) as TableSum;
}

/** As `scanSteps`, at once. */
export function scanTable(db: Store, table: string, where = 'true'): TableSum {
  const steps = scanSteps(db, table, where);
  for (;;) {
    const step = steps.next();
    if (step.done === true) {
      return step.value;
    }
  }
}

export interface ImageRecorder {
  /** Creates the triggers for the tables as they are now. */
  watch(): void;
  /**
   * What was written since the last call, as text in the order of writing: `+IMAGE` and `-IMAGE`; and the sums after
   * it.
   */
  take(): { effects: string; sums: Sums };
  /** Forgets what was written since the last `take`: it was rolled back. */
  discard(): void;
  sums(): Sums;
  /** Takes over sums that were read or scanned. */
  setSums(sums: Sums): void;
}

export function recordImages(db: Store): ImageRecorder {
  // One and the same until something is written: most of what asks finds nothing new.
  let settled: Sums = new Map();
  let pending: Sums = settled;
  let effects = '';
  const record = (sign: '+' | '-', table: string, values: SqlValue[]): void => {
    const hex = image(table, values);
    if (!table.startsWith('_')) {
      effects += sign + hex;
    }
    if (pending === settled) {
      pending = new Map(settled);
    }
    add(pending, table, sign === '+' ? 1 : -1, sign === '+' ? BigInt(`0x${hex}`) : -BigInt(`0x${hex}`));
  };
  db.function(
    '_image',
    { varargs: true, safeIntegers: true },
    (sign: '+' | '-', table: string, ...values: SqlValue[]) => {
      record(sign, table, values);
      return null;
    },
  );
  return {
    watch() {
      for (const name of db
        .prepare<[], string>("SELECT name FROM temp.sqlite_schema WHERE type = 'trigger'")
        .pluck()
        .all()) {
        db.exec(`DROP TRIGGER temp.${quote(name)}`);
      }
      for (const table of summedTables(db)) {
        const text = `'${table.replaceAll("'", "''")}'`;
        const columns = columnsOf(db, table);
        const call = (sign: string, row: string): string =>
          `SELECT _image('${sign}', ${text}, ${columns.map((c) => `${row}.${quote(c)}`).join(', ')});`;
        for (const [event, body] of [
          ['INSERT', call('+', 'NEW')],
          ['DELETE', call('-', 'OLD')],
          ['UPDATE', call('-', 'OLD') + call('+', 'NEW')],
        ]) {
          db.exec(
            `CREATE TEMP TRIGGER ${quote(`_image ${table} ${event}`)} AFTER ${event} ON main.${quote(table)} BEGIN ` +
              `${body} END`,
          );
        }
      }
    },
    take() {
      const taken = { effects, sums: pending };
      settled = pending;
      effects = '';
      return taken;
    },
    discard() {
      pending = settled;
      effects = '';
    },
    sums: () => new Map(pending),
    setSums(sums) {
      settled = sums;
      pending = sums;
      effects = '';
    },
  };
}
