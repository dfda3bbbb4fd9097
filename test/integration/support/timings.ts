/** The median of 300 times, one after the other, ms. */
export async function median(work: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let n = 0; n < 300; n += 1) {
    const from = performance.now();
    await work();
    times.push(performance.now() - from);
  }
  return times.sort((a, b) => a - b)[150] as number;
}

/** Times a second, 64 at once. */
export async function rate(work: () => Promise<unknown>): Promise<number> {
  const from = performance.now();
  await Promise.all(
    Array.from({ length: 64 }, async () => {
      for (let n = 0; n < 30; n += 1) {
        await work();
      }
    }),
  );
  return (64 * 30) / ((performance.now() - from) / 1000);
}
