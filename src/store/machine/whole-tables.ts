import { replicatedTables, scanTable } from '../images.ts';
import type { Tx } from '../kind.ts';
import type { MachineContext } from './context.ts';

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

/**
 * Every thousandth position: removes old rows, and returns what the chain gets to know of whole tables.
 * @throws Error where a table is not what was written to it
 */
export function hashWholeTables(context: MachineContext, tx: Tx): string {
  const { db, sql, images } = context;
  sql.forgetSeen.run(tx.position - KEEP_SEEN);
  sql.forgetHistory.run(context.meta.message - KEEP_SEEN);
  if (context.meta.schema < 1) {
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
