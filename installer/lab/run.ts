import { execa } from 'execa';
import { Failure } from '../../src/errors.ts';
import { SYSTEM_PATH } from '../system-path.ts';

/** The environment of every program that the lab starts: nothing of the caller's, sbin included. */
export const CLEAN_ENV = { PATH: SYSTEM_PATH, LC_ALL: 'C', HOME: '/root' };

export interface RunOptions {
  signal?: AbortSignal | undefined;
  input?: string;
  cwd?: string;
}

/**
 * Runs a program to its end and returns its standard output. Should this process be killed, the kernel kills the
 * program.
 * @throws Failure `lab-command-failed` with the last line that the program said.
 */
export async function run(file: string, args: string[], options: RunOptions = {}): Promise<string> {
  const result = await execa('setpriv', ['--pdeathsig', 'KILL', file, ...args], {
    reject: false,
    extendEnv: false,
    env: CLEAN_ENV,
    ...(options.input === undefined ? { stdin: 'ignore' as const } : { input: options.input }),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.signal === undefined ? {} : { cancelSignal: options.signal }),
  });
  if (options.signal?.aborted === true && options.signal.reason instanceof Failure) {
    throw options.signal.reason;
  }
  if (result.failed) {
    const said = (result.stderr || result.stdout || result.shortMessage || '').trim().split('\n').at(-1) ?? '';
    throw new Failure(
      'lab-command-failed',
      `${file} ${args.slice(0, 3).join(' ')} failed on this machine: ${said.replace(/\.$/, '')}.`,
      {
        remedy: 'Run `terrarium lab down` to remove what is half there, then try again.',
        cause: result,
      },
    );
  }
  return result.stdout;
}

/**
 * The same for programs that start others or mount something: all of them are killed, and their mounts go with their
 * namespace.
 */
export function runTied(file: string, args: string[], options: RunOptions = {}): Promise<string> {
  return run('unshare', ['--mount', '--pid', '--fork', '--kill-child=KILL', '--mount-proc', file, ...args], options);
}

/** Whether a program succeeded; for questions and for removing what may be gone already. */
export async function succeeds(file: string, args: string[]): Promise<boolean> {
  const result = await execa(file, args, {
    reject: false,
    extendEnv: false,
    env: CLEAN_ENV,
    stdin: 'ignore',
    stdout: 'ignore',
    stderr: 'ignore',
  });
  return !result.failed;
}
