/** Clock and pauses; simulated by the property test. */
export interface Timing {
  /** Monotonic clock, in milliseconds. */
  now(): number;
  /** Wall clock, in milliseconds since 1970. */
  wall(): number;
  /** Resolves after `ms`, or as soon as the signal is aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls back once what has come in by now has been taken. */
  soon(work: () => void): void;
}

/** The machine's own clocks and timers. */
export const realTiming: Timing = {
  now: () => performance.now(),
  wall: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      // Many of these end long before their time: nothing is thrown for that, as node:timers/promises would.
      const done = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal?.addEventListener('abort', done);
      if (signal?.aborted === true) {
        done();
      }
    }),
  soon: (work) => void setImmediate(work),
};
