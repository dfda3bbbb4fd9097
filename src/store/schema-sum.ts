import { createHash } from 'node:crypto';
import type { Store } from './database.ts';

/** Under this name the schema's own sum stands in `_sums`, beside those of the tables; its rows are not counted. */
export const SCHEMA_SUM = '_schema';

/**
 * Of the definitions as SQLite keeps them: a flipped bit there changes what tables, indexes and constraints are, and no
 * row. Hexadecimal.
 */
export function schemaSum(db: Store): string {
  const sum = createHash('sha256');
  for (const row of db
    .prepare('SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name')
    .raw()
    .iterate()) {
    sum.update(JSON.stringify(row));
  }
  return sum.digest('hex');
}

/** What the sum should be; undefined in a database that has none yet. */
export function carriedSchemaSum(db: Store): string | undefined {
  return db.prepare<[string], string>('SELECT sum FROM _sums WHERE name = ?').pluck().get(SCHEMA_SUM);
}

export function carrySchemaSum(db: Store): void {
  db.prepare(
    'INSERT INTO _sums (name, rows, sum) VALUES (?, 0, ?) ON CONFLICT (name) DO UPDATE SET sum = excluded.sum',
  ).run(SCHEMA_SUM, schemaSum(db));
}
