import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { replaceFile, syncPath } from '../../durable.ts';
import { isOutside } from '../damage.ts';
import type { Store } from '../database.ts';
import { KEEP_SNAPSHOTS, type Snapshot, type Storage } from '../storage.ts';
import { forget, sha256Of } from './files.ts';
import { inspectWhole } from './inspect.ts';

/** A folder of snapshots: `<epoch>-<position>.db` each with a `.json` that is written last. */
export interface SnapshotFolder extends Pick<Storage, 'drop' | 'read'> {
  /** The file of a snapshot. */
  nameOf(snapshot: Pick<Snapshot, 'epoch' | 'position'>): string;
  /** Newest first. */
  list(): Snapshot[];
  /** As `snapshot` of storage.ts. */
  take(writer: Store): Promise<Snapshot>;
}

/** Opens the folder, and removes what a crash has left unfinished in it. */
export function openSnapshotFolder(folder: string): SnapshotFolder {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(folder)) {
    if (name.endsWith('.tmp')) {
      forget(join(folder, name));
    }
  }

  const nameOf = (s: Pick<Snapshot, 'epoch' | 'position'>): string => join(folder, `${s.epoch}-${s.position}.db`);
  const descriptionOf = (s: Snapshot): string => nameOf(s).replace(/db$/, 'json');
  /** A description that is damaged itself describes nothing. */
  const describedBy = (name: string): Snapshot[] => {
    const file = join(folder, name.replace(/json$/, 'db'));
    try {
      const snapshot = JSON.parse(readFileSync(join(folder, name), 'utf8')) as Snapshot;
      return nameOf(snapshot) === file && existsSync(file) ? [snapshot] : [];
    } catch (error) {
      if (isOutside(error)) {
        throw error;
      }
      return [];
    }
  };
  const list = (): Snapshot[] =>
    readdirSync(folder)
      .filter((name) => name.endsWith('.json'))
      .flatMap(describedBy)
      .sort((a, b) => b.epoch - a.epoch || b.position - a.position);
  const drop = (old: Snapshot): void => {
    rmSync(descriptionOf(old), { force: true });
    forget(nameOf(old));
  };

  return {
    nameOf,
    list,
    drop,
    async take(writer) {
      const temporary = join(folder, 'new.db.tmp');
      forget(temporary);
      try {
        await writer.backup(temporary);
        chmodSync(temporary, 0o600);
        const meta = await inspectWhole(temporary);
        const snapshot: Snapshot = { ...meta, bytes: statSync(temporary).size, sha256: await sha256Of(temporary) };
        syncPath(temporary);
        renameSync(temporary, nameOf(snapshot));
        try {
          replaceFile(descriptionOf(snapshot), JSON.stringify(snapshot), { mode: 0o600 });
        } catch (error) {
          if (!existsSync(descriptionOf(snapshot))) {
            forget(nameOf(snapshot));
          }
          throw error;
        }
        for (const old of list().slice(KEEP_SNAPSHOTS)) {
          drop(old);
        }
        return snapshot;
      } finally {
        forget(temporary);
      }
    },
    read(snapshot, offset, length) {
      if (!existsSync(nameOf(snapshot))) {
        return undefined;
      }
      const fd = openSync(nameOf(snapshot), 'r');
      try {
        const buffer = Buffer.alloc(length);
        return buffer.subarray(0, readSync(fd, buffer, 0, length, offset));
      } finally {
        closeSync(fd);
      }
    },
  };
}
