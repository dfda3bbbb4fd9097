import type { Comparison } from '../comparison.ts';
import type { Core } from '../core.ts';
import type { CoreOptions } from '../core/options.ts';
import type { Follower } from '../follower.ts';
import type { Meta } from '../machine/types.ts';
import type { LogInfo } from '../pipe.ts';
import type { Snapshot } from '../storage.ts';
import type { ClusterParts } from './parts.ts';

export interface ClusterOptions extends CoreOptions, ClusterParts {}

/** The reason of an abort that nobody is to see: an exception with its stack would cost more than the rest. */
export const OVER = 'over';

/** Times of the monotonic clock at which something was done last. */
export interface LastDone {
  announced: number;
  scrubbed: number;
  purged: number;
  replicas: number;
  activation: number;
}

/** What changes while an instance of a cluster runs. */
export interface ClusterState {
  /** The stream as seen last; undefined while there is none or the bus does not tell. */
  stream: LogInfo | undefined;
  activity: 'reseeding' | 'rebuilding' | undefined;
  /** Why the instance is not ready, one sentence. */
  reason: string | undefined;
  /** What is wrong with the database, one sentence. */
  unfit: string | undefined;
  /** No stream was there since then, after the one of epoch `dead`. */
  missing: { since: number; dead: number } | undefined;
  /** The stream of this epoch is to be rebuilt, and why. */
  condemned: { epoch: number; why: string; at: number } | undefined;
  /** Nobody has followed the stream of this epoch since then. */
  orphan: { epoch: number; since: number } | undefined;
  /** When the bus did not answer last. */
  silentBus: number;
  last: LastDone;
}

/** What the parts of a running instance work with. */
export interface ClusterContext {
  readonly options: ClusterOptions;
  readonly core: Core;
  readonly comparison: Comparison;
  readonly follower: Follower;
  readonly state: ClusterState;
  /** Aborted when the instance ends. */
  readonly ending: AbortSignal;
  /** Ends the pause before the next round. */
  wake(): void;
}

/** The state of an instance that has not looked at the bus yet. */
export function initialState(unfit: string | undefined): ClusterState {
  return {
    stream: undefined,
    activity: undefined,
    reason: 'The log has not been found yet.',
    unfit,
    missing: undefined,
    condemned: undefined,
    orphan: undefined,
    silentBus: -Infinity,
    last: {
      announced: -Infinity,
      scrubbed: -Infinity,
      purged: -Infinity,
      replicas: -Infinity,
      activation: -Infinity,
    },
  };
}

/** Where the database is now. */
export function metaOf({ core }: Pick<ClusterContext, 'core'>): Meta {
  return core.machine().meta();
}

/** Names of all registered instances, this one included. */
export function instanceNames({ options }: Pick<ClusterContext, 'options'>): string[] {
  return options.instances().map((i) => i.name);
}

/** Newest schema that this release supports. */
export function supportedSchema({ options }: Pick<ClusterContext, 'options'>): number {
  return options.schema.at(-1)?.version ?? 0;
}

/** Whether this instance applies what the stream delivers. */
export function isApplying({ follower, state }: ClusterContext): boolean {
  return (
    follower.following() && follower.broken() === undefined && state.activity === undefined && state.unfit === undefined
  );
}

/** The newest snapshot of this epoch that does not lie ahead of the database: after a re-seed an own one may. */
export function newestSnapshot(context: ClusterContext): Snapshot | undefined {
  const { epoch, message } = metaOf(context);
  return context.options.storage.snapshots().find((s) => s.epoch === epoch && s.message <= message);
}
