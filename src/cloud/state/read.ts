import type Database from 'better-sqlite3';
import type { Store } from '../../store/database.ts';
import type { TokenRow, UserRow } from '../../store/rows.ts';

/** A row of `sessions` (src/store/schema/0002_sessions.ts). */
export interface SessionRow {
  id: string;
  user: string;
  address: string;
  created_at: number;
  expires_at: number;
}

const statements = new WeakMap<Store, Map<string, Database.Statement>>();

/** Statements are kept with their connection, which is another one after a re-seed. */
function prepared(db: Store, sql: string): Database.Statement {
  let known = statements.get(db);
  if (known === undefined) {
    statements.set(db, (known = new Map()));
  }
  let statement = known.get(sql);
  if (statement === undefined) {
    known.set(sql, (statement = db.prepare(sql)));
  }
  return statement;
}

export function one<Row>(db: Store, sql: string, ...params: unknown[]): Row | undefined {
  return prepared(db, sql).get(...params) as Row | undefined;
}

export function many<Row>(db: Store, sql: string, ...params: unknown[]): Row[] {
  return prepared(db, sql).all(...params) as Row[];
}

export const userByName = (db: Store, name: string): UserRow | undefined =>
  one(db, 'SELECT * FROM users WHERE name = ?', name);
export const tokenById = (db: Store, id: string): TokenRow | undefined =>
  one(db, 'SELECT * FROM tokens WHERE id = ?', id);
export const sessionById = (db: Store, id: string): SessionRow | undefined =>
  one(db, 'SELECT * FROM sessions WHERE id = ?', id);
