import type { ChildProcess } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { slowestFiles, timesByPart, type Part } from './runner/report.ts';
import { ROOT, runSuite, testFiles, type Suite } from './runner/suite.ts';
import type { EndedFile } from './runner/tap-stream.ts';
import { needsLab, withLabPaused } from './support/paused-lab.ts';

/**
 * The whole test suite, in the order in which a failure is cheapest: unit, integration, end to end on the lab.
 * `--all` adds the long ones: more of what integration tests do (test/integration/long), and test/e2e/long. Arguments
 * that are paths run just those files. `--before SECONDS` is the time that the build has taken, for the last lines.
 * A lab that is up is paused for the suites that boot their own. Ends with the line `N passed, N failed`.
 */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { all: { type: 'boolean', default: false }, before: { type: 'string' } },
});

const UNIT: Suite[] = [{ title: 'unit', files: testFiles('test/unit'), jobs: 3, timeout: 120 }];
const INTEGRATION: Suite[] = [
  // Many of them wait for what a busy machine does late: with three at a time on two processors, too late at times.
  { title: 'integration', files: testFiles('test/integration'), jobs: 2, timeout: 1800 },
  // These change the machine itself, compare it with itself, or press keys in a browser: each has it for itself.
  { title: 'integration, alone', files: testFiles('test/integration/alone'), jobs: 1, timeout: 1800 },
];
const END_TO_END: Suite[] = [{ title: 'end to end', files: testFiles('test/e2e'), jobs: 1, timeout: 3600 }];
const LONG: Suite[] = [
  { title: 'integration, long', files: testFiles('test/integration/long'), jobs: 1, timeout: 14_400 },
  { title: 'end to end, long', files: testFiles('test/e2e/long'), jobs: 1, timeout: 14_400 },
];

/** A signal ends the tests; this process lives on until a paused lab is up again. */
let interrupted = false;
let running: ChildProcess | undefined;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    interrupted = true;
    running?.kill(signal);
  });
}

const totals = { passed: 0, failed: 0 };
const parts: Part[] = values.before === undefined ? [] : [{ title: 'build', seconds: Number(values.before) }];
const ended: EndedFile[] = [];

async function part(title: string, suites: readonly Suite[]): Promise<void> {
  const timed = { title, seconds: 0 };
  parts.push(timed);
  for (const suite of suites) {
    if (suite.files.length === 0 || interrupted) {
      continue;
    }
    const result = await runSuite(suite, (child) => (running = child));
    totals.passed += result.passed;
    totals.failed += result.failed;
    timed.seconds += result.seconds;
    ended.push(...result.files);
  }
}

async function pausing(work: () => Promise<void>): Promise<void> {
  try {
    await withLabPaused('tests', (line) => process.stdout.write(`${line}\n`), work);
  } catch (error) {
    totals.failed += 1;
    process.stdout.write(`${error instanceof Error ? error.message : String(error)}\n`);
  }
}

async function everything(): Promise<void> {
  await part('unit', UNIT);
  await pausing(async () => {
    await part('integration', INTEGRATION);
    if (totals.failed > 0) {
      process.stdout.write('end to end: not run, because something before it failed\n');
      return;
    }
    await part('end to end', END_TO_END);
    if (values.all) {
      await part('long', LONG);
    }
  });
}

// The tests start hundreds of processes from source: each finds there what Node made of the same source before.
process.env['NODE_COMPILE_CACHE'] ??= join(ROOT, 'build/node-compile-cache');
mkdirSync(process.env['NODE_COMPILE_CACHE'], { recursive: true });

if (positionals.length > 0) {
  const named = (): Promise<void> => part('tests', [{ title: 'tests', files: positionals, jobs: 1, timeout: 14_400 }]);
  await (needsLab(positionals) ? pausing(named) : named());
} else {
  await everything();
}
if (interrupted) {
  totals.failed += 1;
}
process.stdout.write(`${slowestFiles(ended).join('\n')}\n${timesByPart(parts)}\n`);
process.stdout.write(`${totals.passed} passed, ${totals.failed} failed\n`);
process.exitCode = totals.failed === 0 ? 0 : 1;
