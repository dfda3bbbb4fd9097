import { LIMITS } from '../core/options.ts';
import type { Announcement, LogInfo } from '../pipe.ts';
import { replicasFor } from '../rebuild.ts';
import type { Replica } from '../replica.ts';
import { ANNOUNCE_MS, announce } from './announce.ts';
import {
  instanceNames,
  isApplying,
  metaOf,
  newestSnapshot,
  supportedSchema,
  type ClusterContext,
  type LastDone,
} from './context.ts';
import { scrubInterval } from './scrub.ts';

const PURGE_EVERY_MS = 10_000;
const REPLICAS_EVERY_MS = 30_000;
const ACTIVATION_EVERY_MS = 5_000;

/** Does what is due in a round: announcement, snapshot, scrub, and what only one of the instances has to do. */
export async function keepHouse(
  context: ClusterContext,
  { propose, scrub }: Pick<Replica, 'propose' | 'scrub'>,
): Promise<void> {
  const { state, core, comparison, follower, options } = context;
  const { self, timing, log } = options;
  if (timing.now() - state.last.announced >= ANNOUNCE_MS) {
    announce(context);
  }
  if (state.unfit === undefined && comparison.odd(instanceNames(context).length)) {
    state.unfit = 'The hash chain is another one than on most instances.';
    log(`store: ${state.unfit}`);
  }
  if (follower.corrupt() && state.unfit === undefined) {
    state.unfit = follower.broken();
  }
  if (isApplying(context) && core.snapshotDue()) {
    void core.snapshot();
  }
  if (isApplying(context) && (core.doubtful() || isDue(context, 'scrubbed', scrubInterval(self)))) {
    void scrub().catch((error: Error) => log(`store: not scrubbed: ${error.message}`));
  }
  const stream = state.stream;
  if (stream === undefined || !isFirst(context)) {
    return;
  }
  await tendStream(context, stream);
  const supported = schemaOfAll(context);
  if (supported > metaOf(context).schema && isDue(context, 'activation', ACTIVATION_EVERY_MS)) {
    void propose({ kind: 'schema.activate', actor: `cloud/${self}`, args: { version: supported } }).catch(
      (error: Error) => log(`store: schema ${supported} was not activated: ${error.message}`),
    );
  }
}

async function tendStream(context: ClusterContext, stream: LogInfo): Promise<void> {
  const { comparison, options } = context;
  const { pipe, log } = options;
  const names = instanceNames(context);
  // Only what a majority has in a snapshot goes: an instance that is alone would have the one copy of it. One that does
  // not apply, since its disk is full, holds up nobody.
  const sound = comparison.live().filter((a) => a.applying && names.includes(a.from));
  if ((sound.length + 1) * 2 > names.length && isDue(context, 'purged', PURGE_EVERY_MS)) {
    const below = purgeableBelow(context, stream, sound);
    if (below > stream.first) {
      await pipe.purge(stream, below).catch((error: Error) => log(`store: the log was not purged: ${error.message}`));
    }
  }
  // Never fewer: an instance that is missing is mostly replaced, and until then each server that is there has a copy.
  const replicas = replicasFor(instanceNames(context).length);
  if (stream.replicas < replicas && isDue(context, 'replicas', REPLICAS_EVERY_MS)) {
    await pipe
      .setReplicas(stream, replicas)
      .catch((error: Error) => log(`store: the stream keeps ${stream.replicas} copies: ${error.message}`));
  }
}

/** Number of the message below which all of these have a snapshot, and some more. */
function purgeableBelow(context: ClusterContext, stream: LogInfo, sound: Announcement[]): number {
  const snapshots = [
    newestSnapshot(context)?.message ?? -1,
    ...sound.map((a) => (a.epoch === stream.epoch ? a.snapshot : -1)),
  ];
  return Math.min(...snapshots) - (context.options.limits ?? LIMITS).logMargin;
}

/** Whether this instance does what only one has to do. Two doing it at once is harmless. */
function isFirst(context: ClusterContext): boolean {
  const { state, comparison, options } = context;
  return (
    isApplying(context) &&
    state.stream !== undefined &&
    comparison.live().every((a) => !a.applying || a.from > options.self)
  );
}

/** Whether it was done longer ago; if so, it counts as done now. */
function isDue({ state, options }: ClusterContext, what: keyof LastDone, everyMs: number): boolean {
  if (options.timing.now() - state.last[what] < everyMs) {
    return false;
  }
  state.last[what] = options.timing.now();
  return true;
}

/** Newest schema that all registered instances support; 0 while one of them is not known. */
function schemaOfAll(context: ClusterContext): number {
  const { comparison, options } = context;
  const announced = new Map(comparison.live().map((a) => [a.from, a.supports]));
  announced.set(options.self, supportedSchema(context));
  return Math.min(...options.instances().map((i) => i.supports ?? announced.get(i.name) ?? 0));
}
