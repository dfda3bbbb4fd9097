import type { Frozen, LogInfo } from '../pipe.ts';
import { rebuild, replicasFor } from '../rebuild.ts';
import { instanceNames, metaOf, type ClusterContext } from './context.ts';
import { reseed } from './reseed.ts';

/** A stream must be missing for so long, and be seen so twice. */
export const MISSING_MS = 2000;
const DOUBTFUL_MS = 10_000;
/** A stream in which something is damaged is still followed to its end for so long, before it is given up. */
const SALVAGE_MS = 30_000;

/**
 * Makes this instance follow the newest stream, whatever is in the way: adopts a new epoch, re-seeds, rebuilds. One
 * step; called again and again.
 */
export async function attend(context: ClusterContext): Promise<void> {
  const { state, core, options } = context;
  const { pipe, timing, log } = options;
  let newest: LogInfo | undefined;
  // What is applied while the bus looks may come after its answer.
  const { message: before } = metaOf(context);
  try {
    newest = await pipe.newest();
  } catch (error) {
    // Elections take up to 9 s: what is known stays, and entries may come all the same.
    state.reason = `The bus does not answer: ${(error as Error).message}.`;
    state.silentBus = timing.now();
    return;
  }
  const { epoch, base, message } = metaOf(context);
  // What has not been applied is nowhere else.
  const salvaged =
    newest === undefined || newest.last <= message || timing.now() - (state.condemned?.at ?? 0) >= SALVAGE_MS;
  if (newest !== undefined && state.condemned?.epoch === newest.epoch && salvaged && isMajorityInTouch(context)) {
    log(`store: ${state.condemned.why} The stream of epoch ${newest.epoch} is rebuilt.`);
    await rebuildFrom(context, newest.epoch, Infinity);
    return;
  }
  if (
    newest?.epoch === epoch &&
    epoch > 0 &&
    (newest.base !== base || (base > 0 && (core.machine().chainAt(base) ?? newest.chain) !== newest.chain))
  ) {
    return reseed(context, newest, 'It belongs to another history than the log.');
  }
  if (newest === undefined || newest.epoch < epoch || (newest.epoch === epoch && newest.last < before)) {
    return replaceMissing(context, newest, epoch);
  }
  state.missing = undefined;
  state.stream = newest;
  await followNewest(context, newest);
}

/** There is no stream that continues the database: after a while another one is made. */
async function replaceMissing(context: ClusterContext, newest: LogInfo | undefined, epoch: number): Promise<void> {
  const { state } = context;
  const { timing } = context.options;
  // A rebuild deletes the stream: it begins only while a majority of the instances is there to complete it.
  if (newest !== undefined && !isMajorityInTouch(context)) {
    return;
  }
  state.stream = undefined;
  state.missing ??= { since: timing.now(), dead: Math.max(epoch, newest?.epoch ?? 0) };
  state.missing.dead = Math.max(state.missing.dead, epoch, newest?.epoch ?? 0);
  const since = timing.now() - state.missing.since;
  state.reason =
    newest === undefined ? 'There is no stream for the log.' : 'The stream of the log ends before what was applied.';
  if (since >= MISSING_MS) {
    await rebuildFrom(context, state.missing.dead, since);
  }
}

/** Follows a stream that the database can continue with; re-seeds where it cannot. */
async function followNewest(context: ClusterContext, newest: LogInfo): Promise<void> {
  const { state, core, comparison, follower, options } = context;
  const { epoch, message, chain } = metaOf(context);
  if (state.unfit !== undefined) {
    return reseed(context, newest, state.unfit);
  }
  if (newest.epoch > epoch) {
    const continues = message === newest.base && chain === newest.chain && (epoch > 0 || message === 0);
    if (!continues) {
      return reseed(
        context,
        newest,
        epoch === 0
          ? 'This instance is new.'
          : `It ended at message ${message}, epoch ${newest.epoch} began after ${newest.base}.`,
      );
    }
    core.machine().startEpoch(newest.epoch);
    options.log(`store: epoch ${newest.epoch} after message ${message}`);
  }
  if (newest.first > metaOf(context).message + 1) {
    return reseed(
      context,
      newest,
      `The log begins at message ${newest.first}, and this instance is at ${metaOf(context).message}.`,
    );
  }
  state.reason =
    follower.broken() ??
    (comparison.differs().length > 0
      ? `The hash chain is another one than on ${comparison.differs().join(', ')}.`
      : undefined);
  await follower.follow(newest, options.timing.now() - state.silentBus < DOUBTFUL_MS);
}

function isMajorityInTouch(context: ClusterContext): boolean {
  const names = instanceNames(context);
  const live = new Set(context.comparison.live().map((a) => a.from));
  return names.filter((n) => n === context.options.self || live.has(n)).length * 2 > names.length;
}

async function rebuildFrom(context: ClusterContext, dead: number, sinceMs: number): Promise<void> {
  const { state, comparison, options } = context;
  const { self, pipe, peers, timing, log } = options;
  const instances = instanceNames(context);
  state.activity = 'rebuilding';
  try {
    const result = await rebuild(dead, sinceMs, {
      self,
      instances,
      pipe,
      peers,
      timing,
      replicas: replicasFor(instances.length),
      freeze: (epoch) => freeze(context, epoch),
      isLive: (name) => comparison.live().some((a) => a.from === name),
    });
    if (result === undefined) {
      state.reason = 'The log has to be begun anew, and too few instances answer.';
      state.missing ??= { since: timing.now(), dead };
    } else if ('known' in result) {
      state.missing = { since: timing.now(), dead: result.known };
    } else {
      log(`store: the stream of epoch ${result.made} was made`);
      context.wake();
    }
  } catch (error) {
    state.reason = `The stream cannot be made: ${(error as Error).message}.`;
  } finally {
    state.activity = undefined;
  }
}

/** Applies what has been received of an epoch, nothing of it afterwards, and tells where that was. */
export function freeze(context: ClusterContext, epoch: number): Frozen {
  const { follower, comparison, state, options } = context;
  follower.freeze(epoch);
  // What is left of the stream is about to be removed: from now on this database may be the one copy.
  options.storage.sync();
  const { epoch: mine, message, chain } = metaOf(context);
  const fit = state.unfit === undefined && !comparison.odd(instanceNames(context).length);
  return { epoch: mine, message, chain, fit };
}
