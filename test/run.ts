import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { needsLab, withLabPaused } from './support/paused-lab.ts';

/**
 * The whole test suite, in the order in which a failure is cheapest: types and lint, unit, integration, end to end on
 * the lab.
 * `--all` adds the long ones: more of what integration tests do (test/integration/long), and test/e2e/long. Arguments
 * that are paths run just those files.
 * A lab that is up is paused for the suites that boot their own. Ends with the line `N passed, N failed`.
 */
const root = join(import.meta.dirname, '..');

/** A signal ends the tests; this process lives on until a paused lab is up again. */
let interrupted = false;
let running: ChildProcess | undefined;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    interrupted = true;
    running?.kill(signal);
  });
}

interface Totals {
  passed: number;
  failed: number;
}

interface Suite {
  title: string;
  files: string[];
  args: string[];
}

function tests(folder: string): string[] {
  try {
    return readdirSync(join(root, folder))
      .filter((f) => f.endsWith('.test.ts'))
      .sort()
      .map((f) => join(folder, f));
  } catch {
    return [];
  }
}

function run(argv: string[], onLine: (line: string) => void): Promise<number> {
  return new Promise((resolve, reject) => {
    const [file = '', ...args] = argv;
    const child = spawn(file, args, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, FORCE_COLOR: '0' },
    });
    running = child;
    let rest = '';
    child.stdout.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString('utf8')).split('\n');
      rest = lines.pop() ?? '';
      lines.forEach(onLine);
    });
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? 1));
  });
}

/**
 * tap's own stream is parsed by its indentation: only a file's own assertions count, and each line is shown where it
 * failed.
 */
async function runSuite({ title, files, args }: Suite, totals: Totals): Promise<void> {
  if (files.length === 0 || interrupted) {
    return;
  }
  const began = Date.now();
  let passed = 0;
  let failed = 0;
  let showing = false;
  const code = await run([join(root, 'node_modules/.bin/tap'), '-R', 'tap', ...args, ...files], (line) => {
    if (/^ok \d+ - .*\.test\.ts/.test(line)) {
      process.stdout.write(`  ${line.replace(/^ok \d+ - /, '').replace(/ \{$/, '')}\n`);
    }
    if (/^\s+ok \d+/.test(line) && !line.endsWith(' {') && !/^\s+ok \d+ - .*# (time|SKIP|TODO)/.test(line)) {
      passed += 1;
    }
    if (/^\s*not ok \d+/.test(line)) {
      failed += 1;
      showing = true;
    } else if (/^\s*ok \d+/.test(line)) {
      showing = false;
    }
    if (showing) {
      process.stdout.write(`${line}\n`);
    }
  });
  // A file that died without an assertion must not pass.
  if (code !== 0 && failed === 0) {
    failed = 1;
  }
  totals.passed += passed;
  totals.failed += failed;
  process.stdout.write(`${title}: ${passed} passed, ${failed} failed (${Math.round((Date.now() - began) / 1000)} s)\n`);
}

async function check(title: string, argv: string[], totals: Totals): Promise<void> {
  const began = Date.now();
  const code = await run(argv, (line) => process.stdout.write(`${line}\n`));
  totals[code === 0 ? 'passed' : 'failed'] += 1;
  process.stdout.write(`${title}: ${code === 0 ? 'ok' : 'failed'} (${Math.round((Date.now() - began) / 1000)} s)\n`);
}

async function pausing(totals: Totals, work: () => Promise<void>): Promise<void> {
  try {
    await withLabPaused('tests', (line) => process.stdout.write(`${line}\n`), work);
  } catch (error) {
    totals.failed += 1;
    process.stdout.write(`${error instanceof Error ? error.message : String(error)}\n`);
  }
}

async function main(args: string[]): Promise<void> {
  const all = args.includes('--all');
  const named = args.filter((a) => !a.startsWith('-'));
  const totals: Totals = { passed: 0, failed: 0 };
  // Seconds for one file: a hang ends there, and the files after it are run.
  const slow = ['--jobs=1', '--timeout=3600'];
  const long = ['--jobs=1', '--timeout=14400'];
  if (named.length > 0) {
    const suite = (): Promise<void> => runSuite({ title: 'tests', files: named, args: long }, totals);
    await (needsLab(named) ? pausing(totals, suite) : suite());
  } else {
    await check('types', [join(root, 'node_modules/.bin/tsc'), '--noEmit'], totals);
    await check('types of the console', [join(root, 'node_modules/.bin/tsc'), '-p', 'src/console'], totals);
    await check(
      'lint',
      [join(root, 'node_modules/.bin/oxlint'), '--deny-warnings', 'src', 'installer', 'test'],
      totals,
    );
    await runSuite({ title: 'unit', files: tests('test/unit'), args: ['--jobs=2', '--timeout=120'] }, totals);
    await pausing(totals, async () => {
      await runSuite(
        { title: 'integration', files: tests('test/integration'), args: ['--jobs=1', '--timeout=1800'] },
        totals,
      );
      if (totals.failed > 0) {
        return void process.stdout.write('end to end: not run, because something before it failed\n');
      }
      await runSuite({ title: 'end to end', files: tests('test/e2e'), args: slow }, totals);
      if (all) {
        await runSuite({ title: 'integration, long', files: tests('test/integration/long'), args: long }, totals);
      }
      if (all) {
        await runSuite({ title: 'end to end, long', files: tests('test/e2e/long'), args: long }, totals);
      }
    });
  }
  if (interrupted) {
    totals.failed += 1;
  }
  process.stdout.write(`${totals.passed} passed, ${totals.failed} failed\n`);
  process.exitCode = totals.failed === 0 ? 0 : 1;
}

await main(process.argv.slice(2));
