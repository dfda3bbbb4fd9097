import { spawn } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Duplex, Readable } from 'node:stream';
import type { FailureData } from '../../errors.ts';
import { selfCommand } from '../../self.ts';
import { workerEndSchema, type WorkerEnd, type WorkerRequest } from './worker.ts';

/** Resident memory of a child above which it is killed. */
export const MEMORY_LIMIT = 256 * 1024 * 1024;
const MEMORY_POLL_MS = 100;
/** No line of a child is longer: a frame fits into a message of the bus. */
const MAX_LINE_BYTES = 2 * 1024 * 1024;

export interface ChildOptions extends WorkerRequest {
  /** Milliseconds that the statement may run; time spent waiting for credit is not counted. */
  timeoutMs: number;
  /** A batch frame, as JSON. */
  onBatch(frame: string): void;
  onEnd(outcome: { end: WorkerEnd } | { error: FailureData }): void;
}

export interface Child {
  readonly pid: number | undefined;
  /** Allows so many more batches. */
  grant(credits: number): void;
  /** Ends it at once; nothing is reported any more. */
  kill(): void;
}

/** `prlimit` of util-linux, where there is one: Node itself cannot set limits of a child. */
function prlimit(timeoutMs: number, env: NodeJS.ProcessEnv): string[] {
  for (const folder of (env['PATH'] ?? '').split(delimiter)) {
    const file = join(folder, 'prlimit');
    try {
      accessSync(file, constants.X_OK);
    } catch {
      continue;
    }
    // No file may be written; the CPU limit only matters if this process dies before it can kill the child.
    return [file, '--fsize=0', '--core=0', `--data=${640 * 1024 * 1024}`, `--cpu=${Math.ceil(timeoutMs / 1000) + 5}`, '--'];
  }
  return [];
}

/** Passed on by name: a child that runs other people's SQL inherits nothing. */
const PASSED = ['TERRARIUM_PROC', 'TERRARIUM_SYS', 'TERRARIUM_ROOT'];

function childEnv(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  // Without HOME the executable's loader asks for the user's home folder, and a uid without a passwd entry has none.
  return { NODE_NO_WARNINGS: '1', HOME: '/', ...Object.fromEntries(PASSED.filter((n) => env[n] !== undefined).map((n) => [n, env[n]])) };
}

function residentBytes(pid: number): number {
  try {
    const match = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return match === null ? 0 : Number(match[1]) * 1024;
  } catch {
    return 0;
  }
}

/** Counts down while it runs. */
class Stopwatch {
  #left: number;
  #since = 0;
  #timer: NodeJS.Timeout | undefined;
  readonly #expired: () => void;

  constructor(ms: number, expired: () => void) {
    this.#left = ms;
    this.#expired = expired;
  }

  run(): void {
    if (this.#timer !== undefined) return;
    this.#since = performance.now();
    this.#timer = setTimeout(this.#expired, Math.max(this.#left, 0));
  }

  pause(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#left -= performance.now() - this.#since;
  }
}

/** Runs one statement in a process of its own, killed when it takes too long or too much. */
export function startChild(options: ChildOptions, env: NodeJS.ProcessEnv = process.env): Child {
  const { timeoutMs, onBatch, onEnd, ...request } = options;
  const [program = '', ...args] = [...prlimit(timeoutMs, env), ...selfCommand(), 'sql-worker'];
  const child = spawn(program, args, { env: childEnv(env), cwd: '/', stdio: ['ignore', 'ignore', 'pipe', 'pipe'] });
  const channel = child.stdio[3] as Duplex;
  const errors = child.stderr as Readable;
  let credits = request.credits;
  let over = false;

  const stop = (): void => {
    over = true;
    stopwatch.pause();
    clearInterval(memoryPoll);
    child.kill('SIGKILL');
  };
  const finish = (outcome: Parameters<typeof onEnd>[0]): void => {
    if (over) return;
    stop();
    onEnd(outcome);
  };
  const fail = (code: string, message: string): void => finish({ error: { code, message } });

  const stopwatch = new Stopwatch(timeoutMs, () => fail('query.timeout', `The statement did not end within ${timeoutMs / 1000} s and was stopped.`));
  const memoryPoll = setInterval(() => {
    if (child.pid !== undefined && residentBytes(child.pid) > MEMORY_LIMIT) fail('query.memory', `The statement needed more than ${MEMORY_LIMIT / 1024 / 1024} MiB of memory and was stopped.`);
  }, MEMORY_POLL_MS);

  const handle = (line: string): void => {
    if (over) return;
    if (line.startsWith('B')) {
      credits -= 1;
      if (credits <= 0) stopwatch.pause();
      onBatch(line.slice(1));
    } else if (line.startsWith('D')) {
      finish({ end: workerEndSchema.parse(JSON.parse(line.slice(1))) });
    } else {
      finish({ error: JSON.parse(line.slice(1)) as FailureData });
    }
  };
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  channel.on('data', (chunk: Buffer) => {
    let rest = chunk;
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      handle(Buffer.concat([...pending, rest.subarray(0, end)]).toString());
      pending = [];
      pendingBytes = 0;
      rest = rest.subarray(end + 1);
    }
    pending.push(rest);
    pendingBytes += rest.length;
    if (pendingBytes > MAX_LINE_BYTES) fail('query.internal', 'The process that ran the statement sent nonsense.');
  });

  let stderr = '';
  errors.on('data', (chunk: Buffer) => {
    if (stderr.length < 4096) stderr += chunk.toString();
  });
  // A child that was killed no longer reads; its end is reported below.
  channel.on('error', () => undefined);
  child.on('error', (error) => fail('query.internal', `The process for the statement could not be started: ${error.message}.`));
  child.on('close', (code, signal) => {
    if (/heap out of memory|allocation failed/i.test(stderr)) fail('query.memory', 'The statement needed more memory than a query may use and was stopped.');
    else {
      const said = stderr.trim().split('\n')[0]?.slice(0, 300) ?? '';
      fail('query.internal', `The process that ran the statement ended early (${signal ?? `exit code ${code}`})${said === '' ? '' : `: ${said}`}`);
    }
  });

  channel.write(`${JSON.stringify(request)}\n`);
  stopwatch.run();
  return {
    pid: child.pid,
    grant(more) {
      if (over) return;
      credits += more;
      if (credits > 0) stopwatch.run();
      channel.write(`${more}\n`);
    },
    kill: stop,
  };
}
