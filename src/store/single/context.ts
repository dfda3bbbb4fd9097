import type { Core } from '../core.ts';
import type { CoreOptions } from '../core/options.ts';

/** Milliseconds between two rounds of housekeeping, and two tries of what has failed. */
export const HOUSE_MS = 10_000;

/** What the parts of an instance that is alone work with. */
export interface SingleContext {
  readonly options: CoreOptions;
  readonly core: Core;
  readonly state: SingleState;
  /** Aborted when the instance ends. */
  readonly ending: AbortSignal;
}

/** What changes while an instance that is alone runs. */
export interface SingleState {
  /** What is not well, one sentence. */
  reason: string | undefined;
  /** Why nothing can be applied, one sentence: the database is damaged, and could not be restored yet. */
  stopped: string | undefined;
  /** Whether proposals wait until the database has been looked at, or restored. */
  held: boolean;
}
