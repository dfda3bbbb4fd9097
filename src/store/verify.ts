import { isOutside } from './damage.ts';
import type { Store } from './database.ts';
import { scanSteps, summedTables } from './images.ts';
import { hashMessage } from './machine/apply.ts';
import { SCHEMA_SUM, schemaSum } from './schema-sum.ts';

/**
 * Looks for damage: SQLite's own check of the file's structure and indexes; each table against the sum of what was
 * written to it, which finds a flipped bit in any value; the log's messages against their hashes; the schema. In steps,
 * so that other work can have its turn between them: `db` is a connection of its own, whose transaction sees one state
 * throughout.
 * @returns what is wrong, one sentence each.
 * @throws Error where that cannot be told: no room, no memory, a disk that does not answer.
 */
export function* verifySteps(db: Store): Generator<undefined, string[]> {
  const problems: string[] = [];
  try {
    db.exec('BEGIN');
    for (const row of db.prepare<[], string>('PRAGMA integrity_check').pluck().all()) {
      if (row !== 'ok') {
        problems.push(`SQLite: ${row}.`);
      }
    }
    yield;
    const sums = new Map(
      db
        .prepare<[], { name: string; rows: number; sum: string }>('SELECT name, rows, sum FROM _sums')
        .all()
        .map((r) => [r.name, r]),
    );
    const tables = summedTables(db);
    for (const table of tables) {
      const found = yield* scanSteps(db, table);
      const carried = sums.get(table);
      if ((carried?.rows ?? 0) !== found.rows || BigInt(`0x${carried?.sum ?? '0'}`) !== found.sum) {
        problems.push(`The table ${table} is not what was written to it.`);
      }
    }
    if (![undefined, schemaSum(db)].includes(sums.get(SCHEMA_SUM)?.sum)) {
      problems.push('The definitions of the tables are not what was written.');
    }
    sums.delete(SCHEMA_SUM);
    for (const name of sums.keys()) {
      if (!tables.includes(name)) {
        problems.push(`The table ${name} is gone.`);
      }
    }
    const meta = db.prepare<[], { message: number; chain: string }>('SELECT message, chain FROM _meta').get() ?? {
      message: -1,
      chain: '',
    };
    const last = db.prepare<[number], string>('SELECT chain FROM _history WHERE message = ?').pluck().get(meta.message);
    if (meta.message !== 0 && last !== meta.chain) {
      problems.push('The hash chain does not end where the history does.');
    }
    db.exec('COMMIT');
  } catch (error) {
    if (isOutside(error)) {
      throw error;
    }
    problems.push(`SQLite: ${(error as Error).message}.`);
  }
  return problems;
}

/** Messages in `_log` that are not what was applied, by number. */
export function* damagedLog(db: Store): Generator<undefined, number[]> {
  const damaged: number[] = [];
  const rows = db.prepare<[], { message: number; logged: Buffer; hash: Buffer }>(
    'SELECT message, l.entry AS logged, h.hash FROM _log l JOIN _history h USING (message)',
  );
  for (const row of rows.iterate()) {
    if (hashMessage(row.logged) !== row.hash.toString('hex')) {
      damaged.push(row.message);
    }
    if (row.message % 1000 === 0) {
      yield;
    }
  }
  return damaged;
}

/** All steps at once. */
export function atOnce<T>(steps: Generator<undefined, T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) {
      return step.value;
    }
  }
}

/** All steps, with turns of other work between them. */
export async function inTurns<T>(steps: Generator<undefined, T>): Promise<T> {
  for (;;) {
    const step = steps.next();
    if (step.done === true) {
      return step.value;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}
