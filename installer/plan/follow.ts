import { closeSync, fstatSync, openSync, readSync, watch, type FSWatcher } from 'node:fs';
import { basename, dirname } from 'node:path';
import { Failure, isErrno } from '../../src/errors.ts';
import type { PlanEvent } from './types.ts';

export interface FollowOptions {
  /** events.jsonl */
  path: string;
  /** The first line wanted, from 0. */
  from: number;
  /** Whether the coordinator is there; asked about once a second while nothing comes. */
  isAlive(): Promise<boolean>;
  signal: AbortSignal;
  /** Milliseconds between looks at the file where the kernel says nothing; default 1000. */
  pollMs?: number;
}

/** So often in turn the coordinator must be found missing. */
const MISSES = 3;

/**
 * The lines of a run's events, from the beginning and then as they come, until its end.
 * @throws Failure `coordinator-gone` where there is no coordinator any more and no end either; the signal's reason.
 */
export async function* follow(options: FollowOptions): AsyncGenerator<{ line: string; event: PlanEvent }> {
  const reader = lineReader(options.path);
  const wake = waker(options.path, options.pollMs ?? 1000, options.signal);
  let number = 0;
  let missed = 0;
  try {
    for (;;) {
      options.signal.throwIfAborted();
      const lines = reader.read();
      for (const line of lines) {
        const event = JSON.parse(line) as PlanEvent;
        if (number >= options.from) {
          yield { line, event };
        }
        number += 1;
        if (event.type === 'end') {
          return;
        }
      }
      if (lines.length > 0) {
        missed = 0;
        continue;
      }
      if (await wake.next()) {
        continue;
      }
      missed = (await options.isAlive()) ? 0 : missed + 1;
      if (missed >= MISSES) {
        throw gone();
      }
    }
  } finally {
    wake.close();
    reader.close();
  }
}

function gone(): Failure {
  return new Failure('coordinator-gone', 'The coordinator of the operation ended before the operation did.', {
    remedy:
      'Run the same command again; it goes on from where it was. `journalctl -u terrarium-coordinator` on that ' +
      'machine says why.',
  });
}

/**
 * Whole lines of a growing file that may not be there yet. What is not a whole line yet is read anew each time: a
 * coordinator that is started again cuts off what a crash has left of a line.
 */
function lineReader(path: string): { read(): string[]; close(): void } {
  let fd: number | undefined;
  let offset = 0;
  return {
    read() {
      try {
        fd ??= openSync(path, 'r');
      } catch (error) {
        if (isErrno(error, 'ENOENT')) {
          return [];
        }
        throw error;
      }
      const chunk = Buffer.alloc(Math.max(0, fstatSync(fd).size - offset));
      const got = readSync(fd, chunk, 0, chunk.length, offset);
      const end = chunk.subarray(0, got).lastIndexOf(10);
      if (end < 0) {
        return [];
      }
      offset += end + 1;
      return chunk.subarray(0, end).toString('utf8').split('\n');
    },
    close() {
      if (fd !== undefined) {
        closeSync(fd);
      }
    },
  };
}

/** `next` resolves with true when something happened to the file, with false when the time is over. */
function waker(path: string, ms: number, signal: AbortSignal): { next(): Promise<boolean>; close(): void } {
  let happened = false;
  let wake: () => void = () => undefined;
  const ring = (): void => {
    happened = true;
    wake();
  };
  let watcher: FSWatcher | undefined;
  try {
    watcher = watch(dirname(path), (_, name) => {
      if (name === basename(path)) {
        ring();
      }
    });
    watcher.on('error', () => watcher?.close());
  } catch {
    // Without a watch the clock alone wakes.
  }
  signal.addEventListener('abort', ring);
  return {
    async next() {
      if (!happened) {
        let timer: NodeJS.Timeout | undefined;
        await new Promise<void>((resolve) => {
          wake = resolve;
          timer = setTimeout(resolve, ms);
        });
        clearTimeout(timer);
      }
      const was = happened;
      happened = false;
      return was;
    },
    close() {
      signal.removeEventListener('abort', ring);
      watcher?.close();
    },
  };
}
