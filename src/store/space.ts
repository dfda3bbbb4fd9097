import { statfsSync } from 'node:fs';

/** Bytes of the file system that state and stream lie on. */
export interface Space {
  free: number;
  total: number;
}

/** What ordinary users could still write below `path`. */
export function spaceOf(path: string): Space {
  const stat = statfsSync(path);
  return { free: stat.bavail * stat.bsize, total: stat.blocks * stat.bsize };
}

/** What is asked before each write is looked at no more often. */
const LOOK_MS = 1_000;

/**
 * Looks at most once a second. Whoever judges one disk asks one of these, so that an instance that calls itself ready
 * also takes changes.
 * @param now monotonic clock, in milliseconds. @throws what `look` threw, for as long
 */
export function cachedSpace(look: () => Space, now: () => number = () => performance.now()): () => Space {
  let seen: { at: number; answer: () => Space } | undefined;
  return () => {
    if (seen === undefined || now() - seen.at >= LOOK_MS) {
      seen = { at: now(), answer: outcomeOf(look) };
    }
    return seen.answer();
  };
}

/** The outcome of a call, to be had again and again. */
function outcomeOf<T>(call: () => T): () => T {
  try {
    const value = call();
    return () => value;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}

const GIB = 1024 ** 3;

/** Below this nothing is written any more: a full disk switches JetStream off on its server. */
export function tooFull(space: Space): boolean {
  return space.free < GIB || space.free < space.total * 0.07;
}
