import { createHash } from 'node:crypto';

/** A statement that was stopped so often for its memory is refused for this long. */
const STRIKES = 2;
const DENIED_MS = 3_600_000;
const MAX_REMEMBERED = 1_000;

/** Remembers statements that needed too much memory, so that asking again and again does not keep a machine busy. */
export class Denials {
  readonly #now: () => number;
  readonly #strikes = new Map<string, { count: number; at: number }>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Whether the statement is refused now. */
  isDenied(sql: string): boolean {
    const entry = this.#strikes.get(key(sql));
    return entry !== undefined && entry.count >= STRIKES && this.#now() - entry.at < DENIED_MS;
  }

  /** It was stopped for its memory. */
  strike(sql: string): void {
    const id = key(sql);
    const before = this.#strikes.get(id);
    const isRecent = before !== undefined && this.#now() - before.at < DENIED_MS;
    this.#strikes.delete(id);
    this.#strikes.set(id, { count: (isRecent ? before.count : 0) + 1, at: this.#now() });
    const oldest = this.#strikes.keys().next().value;
    if (this.#strikes.size > MAX_REMEMBERED && oldest !== undefined) {
      this.#strikes.delete(oldest);
    }
  }
}

/** Spaces and capitals make no other statement. */
function key(sql: string): string {
  return createHash('sha256').update(sql.toLowerCase().replace(/\s+/g, ' ').trim()).digest('base64');
}
