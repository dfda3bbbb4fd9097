import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { withLabPaused } from '../support/paused-lab.ts';
import type { Measurement } from './measurement.ts';
import { publish } from './report.ts';

/**
 * `./build.sh bench [NAME...]`: the measurements of test/bench/measurements/, all or those named, of what is in dist/. Figures go to
 * dist/bench.json and, between its markers, to docs/benchmarks.md. One that fails leaves its last figures there.
 */
const root = join(import.meta.dirname, '../..');
const files = { page: join(root, 'docs/benchmarks.md'), json: join(root, 'dist/bench.json') };

async function measure(name: string, measurement: Measurement): Promise<void> {
  process.stdout.write(`${measurement.title}\n`);
  const measured = await measurement.run((line) => process.stdout.write(`  ${line}\n`));
  publish(files, name, measurement.title, measured);
  process.stdout.write(`\n${measured.markdown}\n\n`);
}

async function main(wanted: string[]): Promise<void> {
  const names = readdirSync(join(import.meta.dirname, 'measurements')).map((f) => f.replace(/\.ts$/, '')).sort();
  const unknown = wanted.find((n) => !names.includes(n));
  if (unknown !== undefined) throw new Error(`There is no measurement ${unknown}; there are ${names.join(', ')}.`);
  for (const name of wanted.length === 0 ? names : wanted) {
    const { measurement } = (await import(`./measurements/${name}.ts`)) as { measurement: Measurement };
    if (measurement.needsLab) await withLabPaused('measurements', (line) => process.stdout.write(`${line}\n`), () => measure(name, measurement));
    else await measure(name, measurement);
  }
}

// A signal ends what is being run; this process lives on until its lab is down and a paused one up again.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`Error: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
