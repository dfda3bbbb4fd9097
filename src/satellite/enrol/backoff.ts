/** Between two tries of the same server: full jitter, so that ten thousand who were cut off at once do not come back at once. */
export const BACKOFF_MS = { least: 1_000, most: 30_000 } as const;

/** Milliseconds to wait, a random part of a span that doubles with each try; `reset` when one has succeeded. */
export function createBackoff(random: () => number = Math.random): { next(): number; reset(): void } {
  let span: number = BACKOFF_MS.least;
  return {
    next() {
      const wait = Math.round(BACKOFF_MS.least + random() * (span - BACKOFF_MS.least));
      span = Math.min(span * 2, BACKOFF_MS.most);
      return wait;
    },
    reset() {
      span = BACKOFF_MS.least;
    },
  };
}
