import { spawn, type ChildProcess } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Duplex, Readable } from 'node:stream';
import { MAX_BATCH_BYTES, creditsOf } from '../../bus/frames.ts';
import type { FailureData } from '../../errors.ts';
import { selfCommand } from '../../self.ts';
import type { Row } from '../table.ts';
import { Stopwatch } from './stopwatch.ts';
import { workerEndSchema, type WorkerEnd, type WorkerRequest, type WorkerSetup } from './worker.ts';

/** Resident memory of a child above which it is killed. */
export const MEMORY_LIMIT = 256 * 1024 * 1024;
const MEMORY_POLL_MS = 100;
/**
 * For what grows faster than its memory is looked at. A child that does nothing has 610 MiB of what this limits: 512 of
 * them are V8's place for code, which it keeps free and hardly uses.
 */
const DATA_LIMIT = 832 * 1024 * 1024;
/** A child that has grown to this, or has worked for so long, takes no further statement. */
const RETIRE_BYTES = 128 * 1024 * 1024;
const RETIRE_MS = 30_000;
/**
 * A statement that worked for less has not grown it by much: asking the kernel would take longer than such a statement
 * itself.
 */
const GROWS_MS = 5;
/** Seconds of processor time; only matters if this process dies before it can kill the child. */
const CPU_LIMIT_S = 120;
/** No line of a child is longer. */
const MAX_LINE_BYTES = MAX_BATCH_BYTES + 1024;

export type Outcome = { end: WorkerEnd } | { error: FailureData };

export interface Statement extends WorkerRequest {
  /** Milliseconds that it may run; time spent waiting for credit is not counted. */
  timeoutMs: number;
  /** A batch frame, as JSON. */
  onBatch(frame: string): void;
  onEnd(outcome: Outcome): void;
}

export interface ChildOptions {
  setup: WorkerSetup;
  env: NodeJS.ProcessEnv;
  /** Rows of a table that the child may not gather itself. */
  rowsOf(table: string): Row[];
  /** It has ended, for whatever reason. */
  onExit(): void;
}

/** A process that runs one statement after the other. */
export interface Child {
  readonly pid: number | undefined;
  /** Whether it can take a further statement, now that the last one has ended. */
  readonly reusable: boolean;
  run(statement: Statement): void;
  /** Allows the statement that runs so many more batches. */
  grant(credits: number): void;
  /** Ends it at once; nothing is reported of a statement that runs. */
  kill(): void;
  /** Ends it at once, and the statement that runs with this. */
  fail(error: FailureData): void;
}

/** `prlimit` of util-linux, where there is one: Node itself cannot set limits of a child. */
function prlimit(env: NodeJS.ProcessEnv): string[] {
  for (const folder of (env['PATH'] ?? '').split(delimiter)) {
    const file = join(folder, 'prlimit');
    try {
      accessSync(file, constants.X_OK);
    } catch {
      continue;
    }
    // No file may be written.
    return [file, '--fsize=0', '--core=0', `--data=${DATA_LIMIT}`, `--cpu=${CPU_LIMIT_S}`, '--'];
  }
  return [];
}

/** Passed on by name: a child that runs other people's SQL inherits nothing. */
const PASSED = ['TERRARIUM_PROC', 'TERRARIUM_SYS', 'TERRARIUM_ROOT'];

function childEnv(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  // Without HOME the executable's loader asks for the user's home folder, and a uid without a passwd entry has none.
  return {
    NODE_NO_WARNINGS: '1',
    HOME: '/',
    ...Object.fromEntries(PASSED.filter((n) => env[n] !== undefined).map((n) => [n, env[n]])),
  };
}

function residentBytes(pid: number): number {
  try {
    const match = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return match === null ? 0 : Number(match[1]) * 1024;
  } catch {
    return 0;
  }
}

const MEMORY: FailureData = {
  code: 'query.memory',
  message: `The statement needed more than ${MEMORY_LIMIT / 1024 / 1024} MiB of memory and was stopped.`,
};

/** @returns what is said of a child that ended by itself */
function endedEarly(stderr: string, code: number | null, signal: NodeJS.Signals | null): FailureData {
  if (/heap out of memory|allocation failed|bad_alloc/i.test(stderr)) {
    return MEMORY;
  }
  const said = stderr.trim().split('\n')[0]?.slice(0, 300) ?? '';
  return {
    code: 'query.internal',
    message:
      'The process that ran the statement ended early ' +
      `(${signal ?? `exit code ${code}`})${said === '' ? '' : `: ${said}`}`,
  };
}

/** @param tooLong called where a line grows beyond `MAX_LINE_BYTES` */
function readLines(channel: Readable, onLine: (line: string) => void, tooLong: () => void): void {
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  channel.on('data', (chunk: Buffer) => {
    let rest = chunk;
    for (let at = rest.indexOf(10); at >= 0; at = rest.indexOf(10)) {
      const line = Buffer.concat([...pending, rest.subarray(0, at)]).toString();
      pending = [];
      pendingBytes = 0;
      rest = rest.subarray(at + 1);
      onLine(line);
    }
    pending.push(rest);
    pendingBytes += rest.length;
    if (pendingBytes > MAX_LINE_BYTES) {
      tooLong();
    }
  });
}

interface Running {
  statement: Statement;
  credits: number;
  stopwatch: Stopwatch;
  memoryPoll: NodeJS.Timeout;
}

/** Begins to watch memory and time of a statement; its time does not run yet. */
function startLimits(statement: Statement, pid: number | undefined, fail: (error: FailureData) => void): Running {
  const { timeoutMs, credits } = statement;
  const stopwatch = new Stopwatch(timeoutMs, () =>
    fail({
      code: 'query.timeout',
      message: `The statement did not end within ${timeoutMs / 1000} s and was stopped.`,
    }),
  );
  const memoryPoll = setInterval(() => {
    if (pid !== undefined && residentBytes(pid) > MEMORY_LIMIT) {
      fail(MEMORY);
    }
  }, MEMORY_POLL_MS);
  return { statement, credits, stopwatch, memoryPoll };
}

/** Reports that a child could not be started, or has ended: a statement that still runs ends with that. */
function reportEnd(child: ChildProcess, ended: (error: FailureData) => void): void {
  let stderr = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    if (stderr.length < 4096) {
      stderr += chunk.toString();
    }
  });
  child.on('error', (error) =>
    ended({
      code: 'query.internal',
      message: `The process for the statement could not be started: ${error.message}.`,
    }),
  );
  child.on('close', (code, signal) => ended(endedEarly(stderr, code, signal)));
}

interface Taker {
  finish(outcome: Outcome): void;
  /** Sends the rows of a table that the child may not gather itself. */
  gather(table: string): void;
}

/** Takes what the process says of the statement that runs: a need, rows, its end, or an error. */
function takeLine(running: Running, kind: string, line: string, { finish, gather }: Taker): void {
  if (kind === 'N') {
    gather(line);
  } else if (kind === 'B') {
    running.credits -= creditsOf(line);
    if (running.credits <= 0) {
      running.stopwatch.pause();
    }
    running.statement.onBatch(line);
  } else if (kind === 'D') {
    finish({ end: workerEndSchema.parse(JSON.parse(line)) });
  } else {
    finish({ error: JSON.parse(line) as FailureData });
  }
}

/** Starts a process for statements. It is killed when one takes too long or too much. */
export function startChild({ setup, env, rowsOf, onExit }: ChildOptions): Child {
  const [program = '', ...args] = [...prlimit(env), ...selfCommand(), 'sql-worker'];
  const child = spawn(program, args, { env: childEnv(env), cwd: '/', stdio: ['ignore', 'ignore', 'pipe', 'pipe'] });
  const channel = child.stdio[3] as Duplex;
  let running: Running | undefined;
  let worked = 0;
  let grown = false;
  let over = false;

  const finish = (outcome: Outcome | undefined): void => {
    const ended = running;
    if (ended === undefined) {
      return;
    }
    running = undefined;
    const ms = ended.stopwatch.stop();
    worked += ms;
    grown ||= ms >= GROWS_MS && residentBytes(child.pid ?? 0) >= RETIRE_BYTES;
    clearInterval(ended.memoryPoll);
    if (outcome !== undefined) {
      ended.statement.onEnd(outcome);
    }
  };
  const end = (outcome: Outcome | undefined): void => {
    over = true;
    child.kill('SIGKILL');
    finish(outcome);
  };
  const fail = (error: FailureData): void => end({ error });

  const handle = (line: string): void => {
    // Readiness is no news: what is written before waits in the channel.
    if (over || line.startsWith('R')) {
      return;
    }
    if (running === undefined) {
      return fail({ code: 'query.internal', message: '' });
    }
    takeLine(running, line.slice(0, 1), line.slice(1), {
      finish,
      gather: (table) => channel.write(`${JSON.stringify(rowsOf(table))}\n`),
    });
  };
  readLines(channel, handle, () =>
    fail({ code: 'query.internal', message: 'The process that ran the statement sent nonsense.' }),
  );

  // A child that was killed no longer reads; its end is reported below.
  channel.on('error', () => undefined);
  reportEnd(child, (error) => {
    fail(error);
    onExit();
  });

  channel.write(`${JSON.stringify(setup)}\n`);
  return {
    pid: child.pid,
    get reusable() {
      return !over && running === undefined && worked < RETIRE_MS && !grown;
    },
    run(statement) {
      const { timeoutMs: _timeoutMs, onBatch: _onBatch, onEnd: _onEnd, ...request } = statement;
      running = startLimits(statement, child.pid, fail);
      channel.write(`${JSON.stringify(request satisfies WorkerRequest)}\n`);
      running.stopwatch.run();
    },
    grant(more) {
      if (running === undefined) {
        return;
      }
      running.credits += more;
      if (running.credits > 0) {
        running.stopwatch.run();
      }
      channel.write(`${more}\n`);
    },
    kill: () => end(undefined),
    fail,
  };
}
