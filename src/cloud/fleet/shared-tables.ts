import type { SatelliteRecord } from '../../store/satellites.ts';

/**
 * Lists of tables that are kept for all who have the same: more than releases that run at once, and bounded whatever
 * satellites say.
 */
const MAX_SHARED = 64;

type Tables = SatelliteRecord['tables'];

/**
 * Returns a function that gives one and the same array to all who have the same tables: thousands of satellites of one
 * release do.
 */
export function createSharedTables(): (own: Tables) => Tables {
  const tables = new Map<string, Tables>();
  return (own) => {
    const text = JSON.stringify(own);
    const kept = tables.get(text) ?? own;
    // In the order in which they were told last: of too many the first goes.
    tables.delete(text);
    tables.set(text, kept);
    const [first] = tables.keys();
    if (tables.size > MAX_SHARED && first !== undefined) {
      tables.delete(first);
    }
    return kept;
  };
}
