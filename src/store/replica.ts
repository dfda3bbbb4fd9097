import type { Store } from './database.ts';
import type { Command } from './entry.ts';
import type { AppliedEntry, Outcome } from './machine/types.ts';

/**
 * The replicated state: SQLite is the truth, the log is the pipe.
 *
 * ```ts
 * const options = { self: 'node-a', dir: '/var/lib/terrarium/cloud/state/replica', log };
 * // One instance; with three or five, `cluster` is added.
 * const replica = await openReplica(options);
 * const cluster = { pipe: streamPipe(nc, streams), peers: busPeers(nc, 'node-a'), instances: () => [...] };
 *
 * const args = { name: 'eva', … };
 * const { position, result } = await replica.propose({ kind: 'user.create', actor: 'admin', args });
 * // Refusals are the same on every instance: version-conflict, not-found, exists, denied.
 * if (!result.ok) …
 *
 * // Read your writes, on another instance.
 * await replica.waitFor(position, 2000);
 * // Read-only; rows.ts has the rows' types.
 * replica.db.prepare('SELECT * FROM users').all();
 * ```
 *
 * - A change is a command (entry.ts): its kinds are the files of commands/. `propose` answers after this instance has
 *   applied it.
 * - Propose the same `id` again after `store-unavailable`: it is applied once, and the first result is answered.
 * - Every resource row has `version`; give it as `expect` to change only what you have seen.
 * - `replica.db` is another connection after a re-seed: take it anew each time, keep no statement across an await.
 * - Tables: schema/. A new one is a new file there; kinds that need it say `since`, and it becomes active by
 *   `schema.activate` once all support it.
 */
export interface Replica {
  /**
   * Fixes time and id, has the command logged and applied, and answers what it came to. A refusal is a result, not an
   * error.
   * @throws Failure, with the HTTP status that fits it (`HTTP_STATUS`):
   *   `store-invalid` and `store-too-large` the command itself; `store-disk-full` too little free space; `store-busy`
   *   too many wait;
   *   `store-unavailable` not within 15 s: it may have been carried out or not, the same id tells; `store-stopped` this
   *   instance cannot apply;
   *   `store-not-active` another instance does not know this kind yet.
   */
  propose(draft: Draft): Promise<Outcome>;
  /** To read from, on this instance. */
  readonly db: Store;
  /** Last applied. Counts on through epochs, never backwards on one instance but after it was found to be wrong. */
  position(): number;
  /** @returns whether the position was reached within `ms`. */
  waitFor(position: number, ms: number): Promise<boolean>;
  /** Calls back after each commit. @returns how to end it. */
  onChange(listener: (change: ChangeEvent) => void): () => void;
  status(): ReplicaStatus;
  /** Looks for damage in database and stream, and mends it. @returns what was found. */
  scrub(): Promise<ScrubReport>;
  /** Takes a snapshot now. */
  snapshot(): Promise<void>;
  stop(): Promise<void>;
}

export interface Draft {
  kind: string;
  args: unknown;
  actor: string;
  expect?: Command['expect'];
  /** For a repetition; a new ULID otherwise. */
  id?: string;
}

/** `reset`: the database was replaced as a whole, so that anything may have changed. */
export type ChangeEvent =
  | { type: 'applied'; position: number; entries: AppliedEntry[] }
  | { type: 'reset'; position: number };

export interface ReplicaStatus {
  mode: 'single' | 'cluster';
  /** `ready`: applies and proposes. `stopped`: cannot apply, `reason` says why. */
  state: 'starting' | 'catching-up' | 'ready' | 'reseeding' | 'rebuilding' | 'stopped';
  /** A sentence, for whatever is not well. */
  reason: string | undefined;
  epoch: number;
  position: number;
  /** Messages in the log that are not applied yet, as far as is known. */
  behind: number;
  chain: string;
  schema: number;
  /** Position of the newest snapshot; -1 for none. */
  snapshot: number;
  /** What other instances told last. */
  peers: PeerStatus[];
}

export interface PeerStatus {
  name: string;
  epoch: number;
  position: number;
  schema: number;
  /** Milliseconds since it was heard. */
  silentMs: number;
  /** By the hash chain; undefined while there was no position to compare at. */
  equal: boolean | undefined;
}

export interface ScrubReport {
  /** One sentence each. */
  problems: string[];
  /** What is done about them. */
  healing: 'none' | 'restored' | 'reseeding' | 'rebuilding';
  ms: number;
}

/** Statuses for the codes of `propose`. */
export const HTTP_STATUS: Record<string, number> = {
  'store-invalid': 400,
  'store-too-large': 413,
  'store-disk-full': 507,
  'store-busy': 503,
  'store-unavailable': 503,
  'store-stopped': 503,
  'store-not-active': 503,
  'version-conflict': 409,
  exists: 409,
  'not-found': 404,
  'not-active': 503,
  denied: 403,
  invalid: 400,
};
