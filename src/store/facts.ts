import type { Store } from './database.ts';

/** Small JSON values by key that outlive the process. */
export interface Facts {
  /** What was put last, as it was put; undefined where nothing was. The caller checks its shape. */
  get(key: string): unknown;
  put(key: string, value: unknown): void;
}

export function openFacts(db: Store, now: () => number = Date.now): Facts {
  const get = db.prepare<[string], { value: string }>('SELECT value FROM facts WHERE key = ?');
  const put = db.prepare(
    'INSERT INTO facts (key, value, updated_at) VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET value = ' +
      'excluded.value, updated_at = excluded.updated_at',
  );
  return {
    get(key) {
      const row = get.get(key);
      return row === undefined ? undefined : (JSON.parse(row.value) as unknown);
    },
    put(key, value) {
      put.run(key, JSON.stringify(value), now());
    },
  };
}
