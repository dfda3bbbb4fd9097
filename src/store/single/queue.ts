import { Failure } from '../../errors.ts';
import { isDamage } from '../damage.ts';
import { Broken } from '../machine/apply.ts';
import { HOUSE_MS, type SingleContext } from './context.ts';

/** Proposals in one transaction, at most: one fsync for all of them. */
const TOGETHER = 256;

/** Entries that wait to be applied. */
export interface Queue {
  /** Adds an entry. @returns what rejects where it cannot be applied; it never resolves. */
  add(bytes: Uint8Array): Promise<never>;
  /** Goes on after the queue was held. */
  resume(): void;
  /** Applies all that is there. */
  drain(): void;
}

interface Entry {
  bytes: Uint8Array;
  reject(error: Error): void;
}

/** The answer to proposals while the database is damaged. */
export function notApplied({ options }: SingleContext, why: string): Failure {
  return new Failure('store-stopped', why, {
    host: options.self,
    remedy: `It is tried again every ${HOUSE_MS / 1000} s.`,
  });
}

/** @param onDamage called where the database was found damaged; the queue is held then */
export function createQueue(context: SingleContext, onDamage: () => void): Queue {
  const { options, core, state, ending } = context;
  let queue: Entry[] = [];
  let flushing = false;

  function flush(): void {
    flushing = false;
    if (state.held) {
      return;
    }
    if (state.stopped !== undefined) {
      for (const entry of queue) {
        entry.reject(notApplied(context, state.stopped));
      }
      queue = [];
      return;
    }
    const together = queue.slice(0, TOGETHER);
    queue = queue.slice(TOGETHER);
    resume();
    try {
      core.announce(core.machine().apply(together.map((entry) => entry.bytes)));
    } catch (error) {
      settleAfter(error as Error, together);
    }
  }

  /** What could not be applied was not logged either: only its proposer is concerned, and the others try again. */
  function settleAfter(error: Error, together: Entry[]): void {
    const applied = error instanceof Broken ? error.applied : [];
    core.announce(applied);
    const rest = together.slice(applied.length);
    options.log(`store: ${error.message}`);
    const failed = error instanceof Broken ? rest.slice(0, 1) : rest;
    for (const entry of failed) {
      entry.reject(
        new Failure('store-stopped', `The change could not be carried out: ${error.message}.`, {
          host: options.self,
          cause: error,
        }),
      );
    }
    queue = [...rest.slice(failed.length), ...queue];
    if (isDamage(error) && !ending.aborted) {
      state.held = true;
      onDamage();
    }
    resume();
  }

  function schedule(): void {
    if (flushing || state.held) {
      return;
    }
    flushing = true;
    options.timing.soon(flush);
  }

  function resume(): void {
    if (queue.length > 0) {
      schedule();
    }
  }

  return {
    add(bytes) {
      const { promise, reject } = Promise.withResolvers<never>();
      promise.catch(() => undefined);
      queue.push({ bytes, reject });
      schedule();
      return promise;
    },
    resume,
    drain() {
      while (queue.length > 0) {
        flush();
      }
    },
  };
}
