import { MAX_MESSAGE_BYTES, MAX_MESSAGE_ENTRIES, encodeMessage } from './entry.ts';
import type { Timing } from './timing.ts';

/** A message that has not been acknowledged for so long does not hold up the next one: it may be lost. */
const SLOW_MS = 100;
/** Messages on their way at once. */
const MAX_ON_THE_WAY = 64;

export interface Grouping {
  /**
   * Sends an entry with others in one message.
   * @param alone no other entry may be in its message @param signal of who no longer wants it sent, for whom this never
   *   resolves
   * @returns what `send` answers for the message @throws what `send` throws
   */
  log(entry: Uint8Array, alone: boolean, signal: AbortSignal): Promise<number>;
}

interface Waiting {
  entry: Uint8Array;
  alone: boolean;
  signal: AbortSignal;
  resolve(answer: number): void;
  reject(error: unknown): void;
}

/**
 * Group commit: entries that come while a message is on its way go together into the next one. A message costs each
 * nats-server an fsync and each instance a delivery, however many entries it has; and who is alone waits for nobody.
 */
export function openGrouping(
  send: (message: Uint8Array) => Promise<number>,
  timing: Pick<Timing, 'now' | 'sleep' | 'soon'>,
): Grouping {
  let queue: Waiting[] = [];
  /** When they were sent. */
  const onTheWay = new Set<{ at: number }>();
  let scheduled = false;
  let later = false;

  function schedule(): void {
    if (scheduled) {
      return;
    }
    scheduled = true;
    timing.soon(() => {
      scheduled = false;
      pump();
    });
  }

  function pump(): void {
    queue = queue.filter((w) => !w.signal.aborted);
    while (queue.length > 0) {
      const now = timing.now();
      if (onTheWay.size >= MAX_ON_THE_WAY) {
        return;
      }
      if ([...onTheWay].some(({ at }) => now - at < SLOW_MS)) {
        return comeBack();
      }
      void sendTogether(queue.splice(0, countTogether(queue)));
    }
  }

  function comeBack(): void {
    if (later) {
      return;
    }
    later = true;
    void timing.sleep(SLOW_MS).then(() => {
      later = false;
      pump();
    });
  }

  async function sendTogether(together: Waiting[]): Promise<void> {
    const sent = { at: timing.now() };
    onTheWay.add(sent);
    try {
      const answer = await send(encodeMessage(together.map((w) => w.entry)));
      for (const { resolve } of together) {
        resolve(answer);
      }
    } catch (error) {
      for (const { reject } of together) {
        reject(error);
      }
    } finally {
      onTheWay.delete(sent);
      if (queue.length > 0) {
        schedule();
      }
    }
  }

  return {
    log: (entry, alone, signal) =>
      new Promise((resolve, reject) => {
        queue.push({ entry, alone, signal, resolve, reject });
        schedule();
      }),
  };
}

/** How many of the first ones go into one message. */
function countTogether(queue: Waiting[]): number {
  let bytes = 0;
  let count = 0;
  for (const { entry, alone } of queue) {
    if (count > 0 && (alone || bytes + entry.length >= MAX_MESSAGE_BYTES || count === MAX_MESSAGE_ENTRIES)) {
      break;
    }
    bytes += entry.length + 1;
    count += 1;
    if (alone) {
      break;
    }
  }
  return count;
}
