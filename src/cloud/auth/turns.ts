import { Failure } from '../../errors.ts';

/** Who waits, and for how long he cares to. */
export interface Turn {
  /** Whom work is counted for: that of one never holds up another's. */
  client: string;
  /** Aborted when nobody waits any more. */
  signal: AbortSignal;
}

/** Work that is dear, so that little of it is done at once. */
export interface Turns {
  /**
   * Does it when its turn has come; without a turn as that of a client of its own.
   * @throws Failure `busy` where it was not begun: too many wait, or the one who asked has gone
   */
  take<T>(turn: Turn | undefined, work: () => Promise<T>): Promise<T>;
}

interface Waiter {
  begin(): void;
  drop(): void;
}

/** By client; none without a waiter. */
type Waiting = Map<string, Waiter[]>;

/**
 * One piece of work of each client at a time, `atOnce` of all; the clients take turns. Of more than `mostWaiting`, the
 * last of the client that has the most gives way.
 */
export function createTurns({ atOnce, mostWaiting }: { atOnce: number; mostWaiting: number }): Turns {
  const running = new Set<string>();
  /**
   * The client whose turn it is next is first. Whoever waits does so because its client's work is running, or as much
   * as may run at once.
   */
  const waiting: Waiting = new Map();
  let unnamed = 0;

  const next = (): void => {
    for (const [client, [first, ...rest]] of waiting) {
      if (running.size >= atOnce) {
        return;
      }
      if (first === undefined || running.has(client)) {
        continue;
      }
      setWaiters(waiting, client, rest);
      running.add(client);
      first.begin();
    }
  };

  const place = (client: string, signal: AbortSignal | undefined): Promise<void> => {
    if (signal?.aborted === true) {
      throw busy();
    }
    if (running.size < atOnce && !running.has(client)) {
      running.add(client);
      return Promise.resolve();
    }
    makeRoom(waiting, mostWaiting, client);
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        begin() {
          signal?.removeEventListener('abort', waiter.drop);
          resolve();
        },
        drop() {
          signal?.removeEventListener('abort', waiter.drop);
          const left = (waiting.get(client) ?? []).filter((w) => w !== waiter);
          setWaiters(waiting, client, left);
          reject(busy());
        },
      };
      signal?.addEventListener('abort', waiter.drop);
      waiting.set(client, [...(waiting.get(client) ?? []), waiter]);
    });
  };

  return {
    async take(turn, work) {
      const client = turn?.client ?? `unnamed ${(unnamed += 1)}`;
      await place(client, turn?.signal);
      try {
        return await work();
      } finally {
        running.delete(client);
        // It has had its turn: the others are before it.
        const more = waiting.get(client);
        waiting.delete(client);
        if (more !== undefined) {
          waiting.set(client, more);
        }
        next();
      }
    },
  };
}

function setWaiters(waiting: Waiting, client: string, waiters: Waiter[]): void {
  if (waiters.length > 0) {
    waiting.set(client, waiters);
  } else {
    waiting.delete(client);
  }
}

/** Makes room for one more waiter of this client. @throws Failure `busy` where it has to give way itself */
function makeRoom(waiting: Waiting, mostWaiting: number, client: string): void {
  const lists = [...waiting.values()];
  if (lists.reduce((sum, list) => sum + list.length, 0) < mostWaiting) {
    return;
  }
  const longest = lists.reduce((most, list) => (list.length > most.length ? list : most));
  // Who has as many himself takes no other's place.
  if (longest.length <= (waiting.get(client)?.length ?? 0) + 1) {
    throw busy();
  }
  longest.at(-1)?.drop();
}

const busy = (): Failure => new Failure('busy', 'Too many passwords are being checked now. Try again in a moment.');
