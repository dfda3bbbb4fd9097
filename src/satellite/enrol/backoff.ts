/** Between two rounds of tries: full jitter, so that ten thousand who were cut off at once do not come back at once. */
export const BACKOFF_MS = { least: 1_000, most: 30_000 } as const;

export interface Backoff {
  next(): number;
  /** When a try has succeeded. */
  reset(): void;
}

/** Milliseconds to wait: a random part of a span that doubles with each try, from `first` to `most`. */
export function createBackoff(
  random: () => number = Math.random,
  first: number = BACKOFF_MS.least,
  most: number = BACKOFF_MS.most,
): Backoff {
  let span = first;
  return {
    next() {
      const wait = Math.round(BACKOFF_MS.least + random() * (span - BACKOFF_MS.least));
      span = Math.min(span * 2, most);
      return wait;
    },
    reset() {
      span = first;
    },
  };
}
