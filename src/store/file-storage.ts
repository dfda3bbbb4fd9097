import { chmodSync, existsSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { addonPath } from '../assets.ts';
import { syncPath } from '../durable.ts';
import type { Store } from './database.ts';
import type { Storage } from './storage.ts';
import { copyWhole, forget, holds } from './storage/files.ts';
import { verifyFile } from './storage/inspect.ts';
import { receiveInto } from './storage/receive.ts';
import { openSnapshotFolder } from './storage/snapshot-folder.ts';

/**
 * Pages in SQLite's -wal (16 MB of them) after which they go into the database. A change writes some ten pages, mostly
 * the same ones: with SQLite's 1000 that would be several fsyncs a second under load, in the thread that answers
 * requests.
 */
const CHECKPOINT_PAGES = 4000;

/**
 * Files below `dir`, all readable by their owner only: `state.db` (with SQLite's -wal and -shm),
 * `snapshots/<epoch>-<position>.db` each with a `.json` that is written last, `incoming.db` while one is received,
 * `aside.db` what was found damaged. A restore prepares `restoring.db`; as soon as that is whole it is `restored.db`,
 * which goes in the place of `state.db`, now or at the next start.
 * @param durability FULL where nothing else has the last commits; NORMAL where the stream's fsynced copies replay them.
 */
export function fileStorage(dir: string, durability: 'FULL' | 'NORMAL'): Storage {
  const current = join(dir, 'state.db');
  const aside = join(dir, 'aside.db');
  const incoming = join(dir, 'incoming.db');
  const restoring = join(dir, 'restoring.db');
  const restored = join(dir, 'restored.db');
  const snapshots = openSnapshotFolder(join(dir, 'snapshots'));
  for (const left of [incoming, restoring, `${current}.tmp`]) {
    forget(left);
  }

  const isThere = (): boolean => holds(current);
  /** Each step leaves what makes the next call go on from there. */
  const putRestored = (): void => {
    move(current, aside);
    renameSync(restored, current);
    syncPath(dir);
  };
  const adopt = (): void => {
    syncPath(restoring);
    // Where there is no current one, that is where the log came from.
    if (isThere()) {
      forget(aside);
    }
    renameSync(restoring, restored);
    syncPath(dir);
    putRestored();
  };

  return {
    open() {
      if (holds(restored)) {
        putRestored();
      }
      return openBoth(current, durability);
    },
    sync() {
      if (existsSync(`${current}-wal`)) {
        syncPath(`${current}-wal`);
      }
    },
    missing: () => !holds(restored) && !isThere() && (holds(aside) || snapshots.list().length > 0),
    setAside() {
      forget(aside);
      move(current, aside);
    },
    replace(by) {
      let source = incoming;
      if (by !== 'received') {
        source = `${current}.tmp`;
        copyWhole(snapshots.nameOf(by), source);
      }
      // First, or SQLite would play the old one's WAL into the new file.
      forget(current);
      renameSync(source, current);
      syncPath(dir);
    },
    prepare(from) {
      forget(restoring);
      if (from !== undefined) {
        copyWhole(snapshots.nameOf(from), restoring);
      }
      return { db: openUnsafely(restoring), adopt, abandon: () => forget(restoring) };
    },
    snapshot: snapshots.take,
    snapshots: snapshots.list,
    drop: snapshots.drop,
    read: snapshots.read,
    receive: (snapshot) => receiveInto(incoming, snapshot),
    verify: () => verifyFile(current),
    openDamaged() {
      const file = isThere() ? current : aside;
      return holds(file) ? new Database(file, { nativeBinding: addonPath(), readonly: true }) : undefined;
    },
  };
}

/** Moves a database to another name; nothing of it stays under the old one. */
function move(from: string, to: string): void {
  // The WAL belongs to the file by its name.
  if (holds(from)) {
    for (const suffix of ['-wal', '']) {
      if (existsSync(from + suffix)) {
        renameSync(from + suffix, to + suffix);
      }
    }
  }
  forget(from);
}

/** @throws Error where the file is no database, or cannot be opened now. */
function openBoth(current: string, durability: 'FULL' | 'NORMAL'): { writer: Store; reader: Store } {
  const writer = new Database(current, { nativeBinding: addonPath() });
  try {
    chmodSync(current, 0o600);
    writer.pragma('journal_mode = WAL');
    writer.pragma(`synchronous = ${durability}`);
    writer.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
    writer.pragma('foreign_keys = ON');
    writer.pragma('trusted_schema = OFF');
    const reader = new Database(current, { nativeBinding: addonPath(), readonly: true });
    reader.pragma('trusted_schema = OFF');
    return { writer, reader };
  } catch (error) {
    writer.close();
    throw error;
  }
}

/** Opens a database that a crash may lose. */
function openUnsafely(file: string): Store {
  const db = new Database(file, { nativeBinding: addonPath() });
  try {
    chmodSync(file, 0o600);
    // Nobody starts from it before it is flushed as a whole.
    db.pragma('journal_mode = MEMORY');
    db.pragma('synchronous = OFF');
    db.pragma('foreign_keys = ON');
    db.pragma('trusted_schema = OFF');
    return db;
  } catch (error) {
    db.close();
    forget(file);
    throw error;
  }
}
