/** Counts down while it runs; waiting in between does not count. */
export class Stopwatch {
  readonly #ms: number;
  #left: number;
  #since = 0;
  #timer: NodeJS.Timeout | undefined;
  readonly #expired: () => void;

  constructor(ms: number, expired: () => void) {
    this.#ms = ms;
    this.#left = ms;
    this.#expired = expired;
  }

  run(): void {
    if (this.#timer !== undefined) {
      return;
    }
    this.#since = performance.now();
    this.#timer = setTimeout(this.#expired, Math.max(this.#left, 0));
  }

  pause(): void {
    if (this.#timer === undefined) {
      return;
    }
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#left -= performance.now() - this.#since;
  }

  /** For good; returns the milliseconds that it ran. */
  stop(): number {
    this.pause();
    return this.#ms - this.#left;
  }
}
