import Database from 'better-sqlite3';
import { addonPath } from '../../src/assets.ts';
import type { Store } from '../../src/store/database.ts';
import { encodeEntry, type Command } from '../../src/store/entry.ts';
import { ulid } from '../../src/store/ulid.ts';

/** A disk that is never full. */
export const ROOMY = { free: 1e12, total: 1e12 };

export function memoryDatabase(): Store {
  return new Database(':memory:', { nativeBinding: addonPath() });
}

let made = 0;
/** A command with values that follow from how many were made before. */
export function entryOf(kind: string, args: unknown, more: Partial<Command> = {}): Buffer {
  made += 1;
  return encodeEntry({
    v: 1,
    kind,
    id: ulid(1000 + made, new Uint8Array(10).fill(made % 256)),
    at: 1000 + made,
    actor: 'test',
    args,
    ...more,
  });
}

/**
 * All rows of all tables that instances have in common, in an order of their own; what `_log`, `_sums` and `_meta` hold
 * is not compared.
 */
export function contents(db: Store): Record<string, unknown[]> {
  const tables = db
    .prepare<[], string>(
      "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT " +
        "IN ('_log', '_meta') ORDER BY name",
    )
    .pluck()
    .all();
  return Object.fromEntries(
    tables.map((table) => [
      table,
      db
        .prepare(`SELECT * FROM "${table}"`)
        .all()
        .map((row) => JSON.stringify(row))
        .sort(),
    ]),
  );
}
