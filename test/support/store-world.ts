import type { Timing } from '../../src/store/timing.ts';

/**
 * A world for the property test: one virtual clock, and processes that crash (their disks are in store-disk.ts, the
 * stream and messages that take their time or are lost in store-network.ts). Everything is decided by one random
 * generator, and there is no real waiting.
 */
export interface World {
  now(): number;
  random(): number;
  at(delay: number, work: () => void): void;
  /** Runs what is due until `until` says so; false where the clock passed `end` before. */
  run(until: () => boolean, end: number): Promise<boolean>;
}

/** @param random returns numbers from 0 to 1, the same ones in each run of a history. */
export function makeWorld(random: () => number): World {
  let now = 1_700_000_000_000;
  let made = 0;
  const events: { at: number; order: number; work: () => void }[] = [];
  // A binary heap: histories have some ten thousand events.
  const before = (a: number, b: number): boolean => {
    const x = events[a] as (typeof events)[number];
    const y = events[b] as (typeof events)[number];
    return x.at < y.at || (x.at === y.at && x.order < y.order);
  };
  const swap = (a: number, b: number): void => {
    [events[a], events[b]] = [events[b] as (typeof events)[number], events[a] as (typeof events)[number]];
  };
  const pop = (): (typeof events)[number] | undefined => {
    if (events.length === 0) {
      return undefined;
    }
    swap(0, events.length - 1);
    const least = events.pop();
    for (let i = 0; ;) {
      let least_ = i;
      for (const child of [2 * i + 1, 2 * i + 2]) {
        if (child < events.length && before(child, least_)) {
          least_ = child;
        }
      }
      if (least_ === i) {
        return least;
      }
      swap(i, least_);
      i = least_;
    }
  };
  return {
    now: () => Math.floor(now),
    random,
    at(delay, work) {
      made += 1;
      events.push({ at: now + delay, order: made, work });
      for (let i = events.length - 1; i > 0;) {
        const parent = (i - 1) >> 1;
        if (!before(i, parent)) {
          return;
        }
        swap(i, parent);
        i = parent;
      }
    },
    async run(until, end) {
      for (;;) {
        await new Promise((resolve) => setImmediate(resolve));
        if (until()) {
          return true;
        }
        if ((events[0]?.at ?? Infinity) > end) {
          return false;
        }
        const next = pop() as (typeof events)[number];
        now = Math.max(now, next.at);
        next.work();
      }
    },
  };
}

/** One life of an instance's process: what it waits for never comes once it is dead. */
export interface Life {
  alive: boolean;
  /** Called at each step; may end this life by throwing. */
  step(name: string): void;
}

/** Thrown where a process crashes. */
export class Crash extends Error {
  override name = 'Crash';
}

/** The clock and timers of one life of a process. */
export function timingOf(world: World, life: Life): Timing {
  return {
    now: world.now,
    wall: world.now,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted === true) {
          return resolve();
        }
        let over = false;
        const wake = (): void => {
          if (over) {
            return;
          }
          over = true;
          signal?.removeEventListener('abort', wake);
          if (life.alive) {
            resolve();
          }
        };
        signal?.addEventListener('abort', wake);
        world.at(ms, wake);
      }),
    soon: (work) =>
      world.at(0, () => {
        if (life.alive) {
          surviving(work);
        }
      }),
  };
}

/** A crash ends a life, not the test. */
export function surviving(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof Crash)) {
      throw error;
    }
  }
}
