import { execa } from 'execa';
import { Failure } from '../../src/errors.ts';
import { SYSTEM_PATH } from '../system-path.ts';

export interface RunOptions {
  input?: string | NodeJS.ReadableStream;
  cwd?: string;
  env?: Record<string, string>;
  signal?: AbortSignal;
  /** Gets every line of stdout and stderr. */
  log?: (line: string) => void;
  /** Exit codes that are no failure; default only 0. */
  accept?: number[];
  timeoutMs?: number;
}

export interface RunResult {
  exitCode: number;
  stdout: string;
  stderr: string;
}

/**
 * Runs a program to its end.
 * @throws Failure `program-failed` naming the program and the last line that it said.
 */
export async function run(argv: readonly [string, ...string[]], options: RunOptions = {}): Promise<RunResult> {
  const [file, ...args] = argv;
  const child = execa(file, args, {
    reject: false,
    extendEnv: false,
    env: { PATH: SYSTEM_PATH, HOME: '/root', LC_ALL: 'C', ...options.env },
    stripFinalNewline: true,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(typeof options.input === 'string' ? { input: options.input } : {}),
    ...(options.input === undefined ? { stdin: 'ignore' as const } : {}),
    ...(options.signal === undefined ? {} : { cancelSignal: options.signal }),
    ...(options.timeoutMs === undefined ? {} : { timeout: options.timeoutMs }),
  });
  if (options.input !== undefined && typeof options.input !== 'string') {
    const { pipeline } = await import('node:stream/promises');
    // A program that ends before it has read everything says why itself.
    pipeline(options.input, child.stdin as NodeJS.WritableStream).catch(() => undefined);
  }
  const result = await child;
  const stdout = String(result.stdout ?? '');
  const stderr = String(result.stderr ?? '');
  if (options.log !== undefined) {
    for (const line of `${stdout}\n${stderr}`.split('\n')) {
      if (line.trim() !== '') {
        options.log(line);
      }
    }
  }
  const exitCode = result.exitCode ?? -1;
  if (!(options.accept ?? [0]).includes(exitCode)) {
    const said = lastLine(stderr) ?? lastLine(stdout) ?? result.shortMessage ?? 'it said nothing';
    throw new Failure('program-failed', `${commandName(argv)} failed (exit code ${exitCode}): ${said}`, {
      cause: result,
    });
  }
  return { exitCode, stdout, stderr };
}

/** Program and first words, without values that might be secret. */
function commandName(argv: readonly string[]): string {
  const file = argv[0]?.split('/').pop() ?? '';
  const words = argv.slice(1).filter((a) => /^[a-z-]+$/.test(a) && !a.startsWith('-'));
  return [file, ...words.slice(0, 4)].join(' ');
}

function lastLine(text: string): string | undefined {
  return text
    .split('\n')
    .map((l) => l.trim())
    .filter((l) => l !== '' && !l.startsWith('To see the stack trace'))
    .pop();
}
