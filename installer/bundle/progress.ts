const started = Date.now();

/** What the build is doing, for whoever waits for it. */
export function say(line: string): void {
  process.stdout.write(`${((Date.now() - started) / 1000).toFixed(1).padStart(6)} s  ${line}\n`);
}
