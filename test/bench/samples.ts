/** What a list of samples comes to, in their own unit. */
export interface Spread {
  p50: number;
  p95: number;
  p99: number;
  max: number;
}

/** Percentiles by the nearest rank. */
export function spread(samples: readonly number[]): Spread {
  const sorted = samples.toSorted((a, b) => a - b);
  const at = (part: number): number => sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? Number.NaN;
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) };
}

/** Calls `once` so often, so many at a time. @returns milliseconds of each, in the order of their ends */
export async function timed(times: number, atOnce: number, once: () => Promise<unknown>): Promise<number[]> {
  const samples: number[] = [];
  let left = times;
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (left > 0) {
        left -= 1;
        const began = performance.now();
        await once();
        samples.push(performance.now() - began);
      }
    }),
  );
  return samples;
}

/** Three decimals: microseconds of milliseconds. */
export const rounded = (samples: readonly number[]): number[] => samples.map((s) => Math.round(s * 1000) / 1000);
