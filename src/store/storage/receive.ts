import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import type { Receiver, Snapshot } from '../storage.ts';
import { forget } from './files.ts';
import { inspect } from './inspect.ts';

/** Begins to receive a snapshot into a file. */
export function receiveInto(file: string, snapshot: Snapshot): Receiver {
  forget(file);
  const fd = openSync(file, 'wx', 0o600);
  const sum = createHash('sha256');
  let bytes = 0;
  return {
    write(chunk) {
      writeSync(fd, chunk);
      sum.update(chunk);
      bytes += chunk.length;
    },
    async finish() {
      fsyncSync(fd);
      closeSync(fd);
      if (bytes !== snapshot.bytes || sum.digest('hex') !== snapshot.sha256) {
        throw new Error('the snapshot has other bytes than were announced');
      }
      const meta = inspect(file);
      if (meta.position !== snapshot.position || meta.chain !== snapshot.chain) {
        throw new Error('the snapshot is not the announced one');
      }
    },
    abort() {
      try {
        closeSync(fd);
      } catch {
        // It had been closed by finish.
      }
      forget(file);
    },
  };
}
