import { MAX_WAITING, type Core } from './core.ts';
import type { CoreOptions } from './core/options.ts';
import { isDamage } from './damage.ts';
import { Broken } from './machine/apply.ts';
import type { LogInfo, Pipe } from './pipe.ts';

/** Bytes that wait to be applied, beyond which no more are asked for until they have been. */
const MAX_PENDING_BYTES = 16 * 1024 * 1024;
/** Messages applied in one transaction, at most, and bytes of them beyond which no further one is. */
const TOGETHER = 256;
const TOGETHER_BYTES = 128 * 1024;
/**
 * The stream is ahead, and nothing has come for so long: the consumer is made anew. It lives on one server; where that
 * is killed, writes wait for this as they do for an election (4 to 9 s), and both have to fit into a proposal's 15 s.
 */
const SILENT_CONSUMER_MS = 4_000;
const DOUBTFUL_CONSUMER_MS = 1_000;
/** A message is known to be logged, and those before it have not come for so long. */
const GAP_MS = 700;

export interface FollowerOptions extends Pick<CoreOptions, 'timing' | 'log'> {
  core: Core;
  pipe: Pipe;
  /** Something happened that has to be attended to. */
  wake(): void;
}

/** Applies what the stream delivers. */
export interface Follower {
  /**
   * Follows this stream from the database's last message on, where it does not already. Called again and again; makes a
   * silent consumer anew.
   * @param doubtful the bus did not answer lately: the consumer may have been on a server that is gone.
   */
  follow(log: LogInfo, doubtful: boolean): Promise<void>;
  following(): boolean;
  /** A message whose number is known from its acknowledgement: it need not wait until the stream delivers it. */
  offer(epoch: number, message: number, bytes: Uint8Array): void;
  /** Applies what has been received, and nothing more of this epoch or earlier ones. */
  freeze(epoch: number): void;
  stop(): void;
  /** Why nothing can be applied, one sentence. */
  broken(): string | undefined;
  /** Whether it is the database that is at fault. */
  corrupt(): boolean;
  /** Tries again where it was broken for longer than `ms`: a full disk may have been freed. */
  retryAfter(ms: number): void;
}

/** How many of the first ones go into one transaction. */
function countTogether(messages: Uint8Array[]): number {
  let bytes = 0;
  let count = 0;
  for (const message of messages) {
    if (count === TOGETHER || (count > 0 && bytes + message.length > TOGETHER_BYTES)) {
      break;
    }
    bytes += message.length;
    count += 1;
  }
  return count;
}

/** Opens a follower that follows nothing yet. */
// oxlint-disable-next-line max-lines-per-function -- all of it changes one subscription and what it has delivered
export function openFollower({ core, pipe, timing, log, wake }: FollowerOptions): Follower {
  let subscription: { epoch: number; stop(): void } | undefined;
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;
  /** No more is asked for until what waits has been applied. */
  let paused = false;
  /** The message that has to come next. */
  let expected = 0;
  let frozen = 0;
  /** Offered messages whose turn has not come. */
  let early = new Map<number, Uint8Array>();
  /** Since when the first of them has waited for those before it. */
  let gapSince: number | undefined;
  let scheduled = false;
  let heard = timing.now();
  let fault: { sentence: string; corrupt: boolean; at: number } | undefined;

  function unsubscribe(): void {
    subscription?.stop();
    subscription = undefined;
    pending = [];
    pendingBytes = 0;
    paused = false;
    early = new Map();
    gapSince = undefined;
  }
  function take(bytes: Uint8Array): void {
    for (let next: Uint8Array | undefined = bytes; next !== undefined; next = early.get(expected)) {
      early.delete(expected);
      expected += 1;
      pending.push(next);
      pendingBytes += next.length;
    }
    if (pendingBytes > MAX_PENDING_BYTES && !paused) {
      paused = true;
      subscription?.stop();
    }
    gapSince = early.size === 0 ? undefined : timing.now();
    schedule();
  }
  function apply(): void {
    scheduled = false;
    while (pending.length > 0 && fault === undefined) {
      const together = pending.splice(0, countTogether(pending));
      pendingBytes -= together.reduce((sum, message) => sum + message.length, 0);
      try {
        core.announce(core.machine().apply(together));
      } catch (error) {
        unsubscribe();
        const { message } = error as Error;
        if (error instanceof Broken) {
          core.announce(error.applied);
        }
        fault = {
          sentence:
            error instanceof Broken
              ? `This instance has stopped: ${message}.`
              : `The database of this instance cannot be written: ${message}.`,
          corrupt: isDamage(error),
          at: timing.now(),
        };
        log(`store: ${fault.sentence}`);
        wake();
      }
      // Others get their turn, and what comes meanwhile goes into the next transaction.
      if (pending.length > 0) {
        return schedule();
      }
    }
    if (paused) {
      unsubscribe();
      wake();
    }
  }
  function schedule(): void {
    if (scheduled) {
      return;
    }
    scheduled = true;
    timing.soon(() => {
      if (scheduled) {
        apply();
      }
    });
  }

  return {
    async follow(stream, doubtful) {
      if (fault !== undefined || stream.epoch <= frozen) {
        return;
      }
      const { message: last } = core.machine().meta();
      if (subscription?.epoch === stream.epoch) {
        const patience = doubtful ? DOUBTFUL_CONSUMER_MS : SILENT_CONSUMER_MS;
        if (stream.last <= last || timing.now() - heard < patience) {
          return;
        }
        log(`store: nothing came for ${patience / 1000} s after message ${last} of ${stream.last}`);
      }
      unsubscribe();
      expected = last + 1;
      heard = timing.now();
      const mine: { epoch: number; stop(): void } = { epoch: stream.epoch, stop: () => undefined };
      subscription = mine;
      try {
        const consumer = await pipe.consume(
          stream,
          expected,
          (at, bytes) => {
            if (subscription !== mine || at < expected) {
              return;
            }
            heard = timing.now();
            if (at > expected) {
              log(`store: message ${at} came instead of ${expected}`);
              unsubscribe();
              wake();
              return;
            }
            take(bytes);
          },
          () => {
            if (subscription !== mine) {
              return;
            }
            apply();
            unsubscribe();
            wake();
          },
        );
        if (subscription === mine) {
          mine.stop = () => consumer.stop();
        } else {
          consumer.stop();
        }
      } catch (error) {
        if (subscription === mine) {
          unsubscribe();
        }
        log(`store: the log cannot be followed: ${(error as Error).message}`);
      }
    },
    offer(epoch, message, bytes) {
      if (subscription?.epoch !== epoch || message < expected) {
        return;
      }
      if (message === expected) {
        return take(bytes);
      }
      if (early.size < MAX_WAITING) {
        early.set(message, bytes);
      }
      gapSince ??= timing.now();
      if (timing.now() - gapSince < GAP_MS) {
        return;
      }
      log(`store: messages ${expected} to ${message - 1} have not come for ${GAP_MS} ms`);
      apply();
      unsubscribe();
      wake();
    },
    following: () => subscription !== undefined,
    freeze(epoch) {
      frozen = Math.max(frozen, epoch);
      if (subscription === undefined || subscription.epoch > frozen) {
        return;
      }
      apply();
      while (pending.length > 0 && fault === undefined) {
        apply();
      }
      unsubscribe();
    },
    stop: unsubscribe,
    broken: () => fault?.sentence,
    corrupt: () => fault?.corrupt === true,
    retryAfter(ms) {
      if (fault !== undefined && timing.now() - fault.at >= ms) {
        fault = undefined;
      }
    },
  };
}
