import type { Kinds, Migration } from '../kind.ts';
import type { Space } from '../space.ts';
import type { Storage } from '../storage.ts';
import type { Timing } from '../timing.ts';

/** The options that one instance and one of a cluster have in common. */
export interface CoreOptions {
  self: string;
  kinds: Kinds;
  schema: Migration[];
  storage: Storage;
  timing: Timing;
  random(bytes: number): Uint8Array;
  log(line: string): void;
  space(): Space;
  /** Between any two steps; a test crashes here. */
  step?: (name: string) => void;
  /** By default `LIMITS`. */
  limits?: Limits;
}

/** When snapshots are taken, and how much of the log stays beside them. */
export interface Limits {
  /** A snapshot after this many entries … */
  snapshotEntries: number;
  /** … or this long after the last one, if there was any entry. */
  snapshotMs: number;
  /** Messages that stay in the log below the oldest snapshot that somebody may start from. */
  logMargin: number;
}

/** The limits of a cloud; tests have smaller ones. */
export const LIMITS: Limits = { snapshotEntries: 10_000, snapshotMs: 15 * 60_000, logMargin: 1000 };
