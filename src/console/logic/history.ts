/** A query that was run in this browser. */
export interface HistoryEntry {
  sql: string;
  /** ISO 8601. */
  at: string;
  satellites: number;
  rows: number;
  /** Milliseconds; absent where it did not come to its end. */
  ms?: number;
  outcome: 'done' | 'failed' | 'cancelled';
}

/** As many are kept, and so many characters of SQL together: a browser gives a page 5 MiB for all that it stores. */
export const MOST_ENTRIES = 100;
export const MOST_CHARACTERS = 500_000;

/** Puts an entry first; the same statement is there once, and the oldest ones go. */
export function remember(history: readonly HistoryEntry[], entry: HistoryEntry): HistoryEntry[] {
  const kept: HistoryEntry[] = [];
  let characters = 0;
  for (const e of [entry, ...history.filter((h) => h.sql !== entry.sql)]) {
    characters += e.sql.length;
    if (kept.length === MOST_ENTRIES || characters > MOST_CHARACTERS) {
      break;
    }
    kept.push(e);
  }
  return kept;
}

function isEntry(value: unknown): value is HistoryEntry {
  const e = value as Partial<HistoryEntry> | null;
  return (
    typeof e === 'object' &&
    e !== null &&
    typeof e.sql === 'string' &&
    typeof e.at === 'string' &&
    typeof e.rows === 'number' &&
    typeof e.satellites === 'number' &&
    (e.ms === undefined || typeof e.ms === 'number') &&
    (e.outcome === 'done' || e.outcome === 'failed' || e.outcome === 'cancelled')
  );
}

/** What of a stored text is a history: it may be another release's, or somebody's who has played with it. */
export function parseHistory(text: string | null): HistoryEntry[] {
  try {
    const value: unknown = JSON.parse(text ?? '[]');
    return Array.isArray(value) ? value.filter(isEntry).slice(0, MOST_ENTRIES) : [];
  } catch {
    return [];
  }
}
