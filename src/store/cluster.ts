import { announce } from './cluster/announce.ts';
import { MISSING_MS, attend, freeze } from './cluster/attend.ts';
import {
  OVER,
  initialState,
  metaOf,
  newestSnapshot,
  type ClusterContext,
  type ClusterOptions,
} from './cluster/context.ts';
import { keepHouse } from './cluster/housekeeping.ts';
import { openProposals } from './cluster/propose.ts';
import { createScrubber } from './cluster/scrub.ts';
import { openComparison } from './comparison.ts';
import { openCore, type Core } from './core.ts';
import { isDamage } from './damage.ts';
import { openFollower } from './follower.ts';
import type { Replica, ReplicaStatus } from './replica.ts';
import { serveSnapshot } from './transfer.ts';

const TICK_MS = 1000;
/** The next look at a stream that seemed to be missing: proposals wait as long as it does. */
const LOOK_AGAIN_MS = 200;
/** Messages behind, up to which an instance counts as ready. */
const READY_BEHIND = 100;
const RETRY_STOPPED_MS = 5000;

/** Three or five instances: the log is a JetStream stream, whose order each of them follows. */
export async function openCluster(options: ClusterOptions): Promise<Replica> {
  const { self, peers, timing, log, storage } = options;
  const ending = new AbortController();
  const comparison = openComparison(self, timing);
  const core = openOrPutAside(options);
  const verified = await storage.verify().catch((error: unknown) => {
    core.close();
    throw error;
  });
  const state = initialState(verified.problems[0]);
  let pause = new AbortController();
  const wake = (): void => pause.abort(OVER);
  const follower = openFollower({ ...options, core, wake });
  const context: ClusterContext = { options, core, comparison, follower, state, ending: ending.signal, wake };
  const proposals = openProposals(context);
  const scrub = createScrubber(context);
  if (state.unfit !== undefined) {
    log(`store: ${state.unfit}`);
  }

  async function run(): Promise<void> {
    while (!ending.signal.aborted) {
      const since = timing.now();
      try {
        pause = new AbortController();
        await attend(context);
        if (!ending.signal.aborted) {
          await keepHouse(context, replica);
        }
        follower.retryAfter(RETRY_STOPPED_MS);
      } catch (error) {
        if (ending.signal.aborted) {
          return;
        }
        log(`store: ${(error as Error).message}`);
        openAgain(context);
      }
      const doubtful = state.missing !== undefined && timing.now() - state.missing.since < MISSING_MS;
      await timing.sleep(Math.max(50, (doubtful ? LOOK_AGAIN_MS : TICK_MS) - (timing.now() - since)), pause.signal);
    }
  }

  const replica: Replica = {
    propose: proposals.propose,
    get db() {
      return core.reader();
    },
    position: () => metaOf(context).position,
    waitFor: core.waitFor,
    onChange: core.onChange,
    status: () => statusOf(context),
    scrub,
    async snapshot() {
      await core.snapshot();
    },
    async stop() {
      ending.abort(OVER);
      wake();
      proposals.end();
      follower.stop();
      await running;
      peers.stop();
      core.close();
    },
  };

  listenToPeers(context);
  announce(context);
  const running = run();
  return replica;
}

function openOrPutAside(options: ClusterOptions): Core {
  try {
    return openCore(options, false);
  } catch (error) {
    // A full disk, too few descriptors: what is whole is not put aside for that.
    if (!isDamage(error)) {
      throw error;
    }
    options.log(`store: the database cannot be opened (${(error as Error).message}), it is put aside`);
    options.storage.setAside();
    return openCore(options, false);
  }
}

/** An exchange of the database may have failed half-way, for lack of room. */
function openAgain({ core, options }: ClusterContext): void {
  if (core.machine().db.open) {
    return;
  }
  try {
    core.exchange(() => undefined);
  } catch (error) {
    options.log(`store: the database cannot be opened: ${(error as Error).message}`);
  }
}

function listenToPeers(context: ClusterContext): void {
  const { core, comparison, ending, options } = context;
  options.peers.onAnnouncement((announcement) => {
    if (ending.aborted || !core.machine().db.open) {
      return;
    }
    comparison.hear(announcement, core.machine());
    if (announcement.epoch > metaOf(context).epoch) {
      context.wake();
    }
  });
  options.peers.onQuestion(async (question) => {
    if (ending.aborted) {
      throw new Error('ending');
    }
    return question.ask === 'freeze'
      ? Buffer.from(JSON.stringify(freeze(context, question.epoch)))
      : serveSnapshot(question, core, options.storage);
  });
}

function statusOf(context: ClusterContext): ReplicaStatus {
  const { comparison, state } = context;
  const { epoch, message, position, chain, schema } = metaOf(context);
  const behind = Math.max(0, (state.stream?.last ?? message) - message);
  return {
    mode: 'cluster',
    state: statusWord(context, behind, schema),
    reason: state.reason,
    epoch,
    position,
    behind,
    chain,
    schema,
    snapshot: newestSnapshot(context)?.position ?? -1,
    peers: comparison.status(),
  };
}

function statusWord({ state, follower }: ClusterContext, behind: number, schema: number): ReplicaStatus['state'] {
  if (state.activity !== undefined) {
    return state.activity;
  }
  if (state.unfit !== undefined) {
    return 'reseeding';
  }
  if (follower.broken() !== undefined) {
    return 'stopped';
  }
  if (state.stream === undefined || !follower.following() || schema === 0) {
    return 'starting';
  }
  return behind > READY_BEHIND ? 'catching-up' : 'ready';
}
