import type { Store } from './database.ts';

/** Sessions ended before their time. Times are milliseconds since 1970. */
export interface EndedSessions {
  has(id: string): boolean;
  add(id: string, expiresAt: number): void;
}

export function openEndedSessions(db: Store, now: () => number = Date.now): EndedSessions {
  const has = db.prepare<[string], { id: string }>('SELECT id FROM ended_sessions WHERE id = ?');
  const add = db.prepare('INSERT INTO ended_sessions (id, expires_at) VALUES (?, ?) ON CONFLICT (id) DO NOTHING');
  const forget = db.prepare('DELETE FROM ended_sessions WHERE expires_at < ?');
  return {
    has: (id) => has.get(id) !== undefined,
    add(id, expiresAt) {
      forget.run(now());
      add.run(id, expiresAt);
    },
  };
}
