import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { childrenOf } from '../support/memory.ts';
import { withLabPaused } from '../support/paused-lab.ts';
import type { Measurement } from './measurement.ts';
import { publish } from './report.ts';

/**
 * `./build.sh bench [NAME...]`: the measurements of test/bench/measurements/, all or those named, of what is in dist/.
 * Figures go to dist/bench.json and, between its markers, to docs/benchmarks.md. One that fails leaves its last figures
 * there.
 */
const root = join(import.meta.dirname, '../..');
const files = { page: join(root, 'docs/benchmarks.md'), json: join(root, 'dist/bench.json') };

async function measure(name: string, measurement: Measurement): Promise<void> {
  process.stdout.write(`${measurement.title}\n`);
  const measured = await measurement.run((line) => process.stdout.write(`  ${line}\n`), stopping.signal);
  publish(files, name, measurement.title, measured);
  process.stdout.write(`\n${measured.markdown}\n\n`);
}

/** A measurement that a signal has not ended by then is left to itself, unless it has a lab to put away. */
const GRACE_MS = 15_000;

const stopping = new AbortController();
let hasLab = false;

function descendants(pid: number): number[] {
  return childrenOf(pid).flatMap((child) => [child, ...descendants(child)]);
}

function signalAll(pids: number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      // It is gone already.
    }
  }
}

/** Ends what is being measured; with a lab this process lives on until that is down and a paused one up again. */
function stop(signal: NodeJS.Signals): void {
  if (stopping.signal.aborted) {
    return;
  }
  process.exitCode = 1;
  stopping.abort(new Error(`stopped by ${signal}`));
  signalAll(childrenOf(process.pid), 'SIGTERM');
  if (hasLab) {
    return;
  }
  setTimeout(() => {
    signalAll(descendants(process.pid), 'SIGKILL');
    process.exit(1);
  }, GRACE_MS).unref();
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, stop);
}

async function main(wanted: string[]): Promise<void> {
  const names = readdirSync(join(import.meta.dirname, 'measurements'))
    .map((f) => f.replace(/\.ts$/, ''))
    .sort();
  const unknown = wanted.find((n) => !names.includes(n));
  if (unknown !== undefined) {
    throw new Error(`There is no measurement ${unknown}; there are ${names.join(', ')}.`);
  }
  for (const name of wanted.length === 0 ? names : wanted) {
    stopping.signal.throwIfAborted();
    const { measurement } = (await import(`./measurements/${name}.ts`)) as { measurement: Measurement };
    hasLab = measurement.needsLab;
    if (hasLab) {
      await withLabPaused(
        'measurements',
        (line) => process.stdout.write(`${line}\n`),
        () => measure(name, measurement),
      );
    } else {
      await measure(name, measurement);
    }
  }
}

main(process.argv.slice(2)).catch((error: unknown) => {
  const cause: unknown = stopping.signal.aborted ? stopping.signal.reason : error;
  process.stderr.write(`Error: ${cause instanceof Error ? cause.message : String(cause)}\n`);
  process.exitCode = 1;
});
