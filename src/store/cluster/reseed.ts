import type { Announcement, LogInfo } from '../pipe.ts';
import { fetchSnapshot } from '../transfer.ts';
import { instanceNames, metaOf, supportedSchema, type ClusterContext } from './context.ts';

/** Nobody follows a stream, though all are there, for so long: nobody can. */
const ORPHAN_MS = 30_000;

/**
 * Puts another database in the place of this instance's: another instance's snapshot, an own one, or an empty one where
 * the log has the whole history. One try; where it comes to nothing the next round is the next one.
 */
export async function reseed(context: ClusterContext, newest: LogInfo, why: string): Promise<void> {
  const { state, core, follower, options } = context;
  const { storage, log } = options;
  state.activity = 'reseeding';
  state.reason = why;
  follower.stop();
  try {
    const donors = findDonors(context, newest);
    for (const donor of donors) {
      log(`store: re-seeding from ${donor.from}: ${why}`);
      try {
        await receiveFrom(context, donor.from, newest);
        return;
      } catch (error) {
        log(`store: not re-seeded from ${donor.from}: ${(error as Error).message}`);
      }
    }
    const own = storage
      .snapshots()
      .find(
        (s) =>
          s.epoch >= newest.epoch &&
          s.message >= newest.first - 1 &&
          (state.unfit !== undefined || s.message > metaOf(context).message),
      );
    if (own !== undefined) {
      log(`store: back to the own snapshot of position ${own.position}: ${why}`);
      await exchange(context, () => storage.replace(own));
    } else if (donors.length === 0 && newest.base === 0 && newest.first === 1) {
      log(`store: the whole history is in the log: ${why}`);
      await exchange(context, () => storage.setAside());
      core.machine().startEpoch(newest.epoch);
    } else if (donors.length === 0) {
      giveUpOrphan(context, newest);
    }
  } finally {
    state.activity = undefined;
  }
}

/** Instances whose database can be copied, the most advanced one first. */
function findDonors({ comparison, state }: ClusterContext, newest: LogInfo): Announcement[] {
  return comparison
    .live()
    .filter(
      (a) =>
        a.applying && a.epoch >= newest.epoch && (state.unfit !== undefined || !comparison.differs().includes(a.from)),
    )
    .sort((a, b) => b.message - a.message);
}

/** @throws Error where the donor's snapshot does not come, or cannot be used. */
async function receiveFrom(context: ClusterContext, donor: string, newest: LogInfo): Promise<void> {
  const { peers, storage, timing, log } = context.options;
  const snapshot = await unlessEnding(
    context.ending,
    fetchSnapshot(donor, { epoch: newest.epoch, message: newest.first - 1 }, peers, storage, timing),
  );
  if (snapshot.schema > supportedSchema(context)) {
    throw new Error(`it has schema ${snapshot.schema}, which is newer than this release`);
  }
  await exchange(context, () => storage.replace('received'));
  log(`store: re-seeded at position ${snapshot.position} of epoch ${snapshot.epoch}`);
}

/**
 * A stream that begins where nobody is any more, since who was there has been lost meanwhile, is followed by nobody:
 * nothing of it has been acknowledged.
 */
function giveUpOrphan(context: ClusterContext, newest: LogInfo): void {
  const { state, comparison } = context;
  const { timing } = context.options;
  const names = instanceNames(context);
  const live = comparison.live().filter((a) => names.includes(a.from));
  if (
    metaOf(context).epoch >= newest.epoch ||
    live.length + 1 < names.length ||
    live.some((a) => a.epoch >= newest.epoch)
  ) {
    state.orphan = undefined;
    return;
  }
  if (state.orphan?.epoch !== newest.epoch) {
    state.orphan = { epoch: newest.epoch, since: timing.now() };
  }
  if (timing.now() - state.orphan.since >= ORPHAN_MS) {
    state.condemned = { epoch: newest.epoch, why: 'No instance can follow it.', at: -Infinity };
  }
}

/** @throws Error where this instance ends meanwhile. */
function unlessEnding<T>(ending: AbortSignal, work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const end = (): void => reject(new Error('this instance is ending'));
  ending.addEventListener('abort', end);
  return Promise.race([work, promise]).finally(() => ending.removeEventListener('abort', end));
}

async function exchange(context: ClusterContext, change: () => void): Promise<void> {
  const { state, core, comparison, follower, options } = context;
  core.exchange(change);
  state.unfit = (await options.storage.verify()).problems[0];
  comparison.forget();
  follower.retryAfter(0);
  context.wake();
}
