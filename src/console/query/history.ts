import { useState } from 'preact/hooks';
import { parseHistory, remember, type HistoryEntry } from '../logic/history.ts';

/** The queries that a user has run in this browser. */
export interface History {
  entries: HistoryEntry[];
  add(entry: HistoryEntry): void;
  clear(): void;
}

/** Reads and keeps the history of a user. */
export function useHistory(user: string): History {
  const key = `terrarium-history:${user}`;
  const [entries, setEntries] = useState(() => parseHistory(localStorage.getItem(key)));
  const write = (next: HistoryEntry[]): void => {
    setEntries(next);
    try {
      localStorage.setItem(key, JSON.stringify(next));
    } catch {
      // A browser may have no room for it, or keep nothing at all: it then ends with the page.
    }
  };
  return {
    entries,
    // Another tab may have written meanwhile.
    add: (entry) => write(remember(parseHistory(localStorage.getItem(key)), entry)),
    clear: () => write([]),
  };
}
