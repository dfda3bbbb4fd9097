import type { Store } from '../database.ts';
import type { Sums } from '../images.ts';
import { SCHEMA_SUM, carriedSchemaSum, carrySchemaSum, schemaSum } from '../schema-sum.ts';
import type { Meta } from './types.ts';

const INTERNAL = `
CREATE TABLE IF NOT EXISTS _meta (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  epoch INTEGER NOT NULL, base INTEGER NOT NULL, message INTEGER NOT NULL, position INTEGER NOT NULL,
  chain TEXT NOT NULL, schema INTEGER NOT NULL
) STRICT;
INSERT OR IGNORE INTO _meta VALUES (1, 0, 0, 0, 0, '', 0);
CREATE TABLE IF NOT EXISTS _seen (
  id TEXT PRIMARY KEY, position INTEGER NOT NULL, result TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS _seen_position ON _seen (position);
CREATE TABLE IF NOT EXISTS _history (message INTEGER PRIMARY KEY, hash BLOB NOT NULL, chain TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS _log (message INTEGER PRIMARY KEY, entry BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS _sums (name TEXT PRIMARY KEY, rows INTEGER NOT NULL, sum TEXT NOT NULL) STRICT;
`;

/**
 * Creates the tables that the machine keeps for itself. A release may add to them; a schema that was damaged before is
 * not taken for the new one.
 */
export function createInternal(db: Store): void {
  const whole =
    db.prepare("SELECT 1 FROM sqlite_schema WHERE name = '_sums'").get() === undefined ||
    [undefined, schemaSum(db)].includes(carriedSchemaSum(db));
  db.exec(INTERNAL);
  if (whole && carriedSchemaSum(db) !== schemaSum(db)) {
    carrySchemaSum(db);
  }
}

/** The machine's own statements, prepared once. */
export type Statements = ReturnType<typeof prepareStatements>;

/** Prepares the statements on the internal tables, which must be there. */
export function prepareStatements(db: Store) {
  return {
    readMeta: db.prepare<[], Meta>('SELECT epoch, base, message, position, chain, schema FROM _meta'),
    readSums: db.prepare<[], { name: string; rows: number; sum: string }>('SELECT name, rows, sum FROM _sums'),
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
}

/** The sums of the tables as the database has them. */
export function loadSums(sql: Statements): Sums {
  return new Map(
    sql.readSums
      .all()
      .filter((r) => r.name !== SCHEMA_SUM)
      .map((r) => [r.name, { rows: r.rows, sum: BigInt(`0x${r.sum}`) }]),
  );
}
