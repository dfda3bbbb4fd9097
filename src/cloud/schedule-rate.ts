/**
 * What the rows of an instance's scheduled runs may bring into the log of changes: it keeps what the last 15 minutes
 * have brought, within 1 GB, and whoever changes anything else must find room there, also when each of five instances
 * does what it may.
 */
export const RATE = { bytesPerSecond: 128 * 1024, burst: 16 * 1024 * 1024 } as const;

export interface Rate {
  /** Takes so many bytes of entries, or none where there are not so many. */
  take(bytes: number): boolean;
}

/** @param now milliseconds of a clock that does not jump */
export function createRate(
  { bytesPerSecond, burst }: { bytesPerSecond: number; burst: number } = RATE,
  now: () => number = () => performance.now(),
): Rate {
  let left: number = burst;
  let at = now();
  return {
    take(bytes) {
      left = Math.min(burst, left + ((now() - at) / 1000) * bytesPerSecond);
      at = now();
      if (bytes > left) {
        return false;
      }
      left -= bytes;
      return true;
    },
  };
}
