import { spawn } from 'node:child_process';
import { join } from 'node:path';

/** The repository's root; the product under test is what was built there. */
export const ROOT = join(import.meta.dirname, '../../..');
export const TERRARIUM = process.env['TERRARIUM_UNDER_TEST'] ?? join(ROOT, 'dist/terrarium');

export interface Ended {
  exitCode: number;
  stdout: string;
  stderr: string;
  ms: number;
}

export interface Options {
  env?: NodeJS.ProcessEnv;
  input?: string;
  cwd?: string;
  timeoutMs?: number;
  /** Gets stdout as it comes. */
  onStdout?: (text: string) => void;
  /** Gets the child once it runs, to kill it. */
  onStart?: (pid: number) => void;
}

/** Runs a program to its end, whatever it answers. Its own process group, so that a kill hits all of it. */
export function run(argv: readonly [string, ...string[]], options: Options = {}): Promise<Ended> {
  const began = Date.now();
  return new Promise((resolve, reject) => {
    const [file, ...args] = argv;
    const child = spawn(file, args, {
      cwd: options.cwd ?? ROOT,
      env: { ...process.env, ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString('utf8');
      options.onStdout?.(chunk.toString('utf8'));
    });
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString('utf8');
    });
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
    const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 15 * 60_000);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ exitCode: code ?? (signal === 'SIGKILL' ? 137 : 128), stdout, stderr, ms: Date.now() - began });
    });
    if (child.pid !== undefined) {
      options.onStart?.(child.pid);
    }
  });
}

export function terrarium(args: string[], options: Options = {}): Promise<Ended> {
  return run([TERRARIUM, ...args], options);
}

/** What must succeed for the test to mean anything. @throws Error with what the program said, where it failed. */
export async function must(running: Promise<Ended>): Promise<Ended> {
  const ended = await running;
  if (ended.exitCode !== 0) {
    throw new Error(`exit code ${ended.exitCode}: ${ended.stderr}${ended.stdout.slice(-2000)}`);
  }
  return ended;
}
