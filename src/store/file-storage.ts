import { createHash } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { addonPath } from '../assets.ts';
import { replaceFile, syncPath } from '../durable.ts';
import { Damaged, isOutside } from './damage.ts';
import type { Store } from './database.ts';
import type { Meta } from './machine/types.ts';
import { KEEP_SNAPSHOTS, type Snapshot, type Storage } from './storage.ts';
import { damagedLog, inTurns, verifySteps } from './verify.ts';

/**
 * Pages in SQLite's -wal (16 MB of them) after which they go into the database. A change writes some ten pages, mostly
 * the same ones: with SQLite's
 * 1000 that would be several fsyncs a second under load, in the thread that answers requests.
 */
const CHECKPOINT_PAGES = 4000;
/** Bytes hashed at a time, between which other work gets its turn. */
const HASH_CHUNK = 4 * 1024 * 1024;

async function sha256Of(path: string): Promise<string> {
  const sum = createHash('sha256');
  const fd = openSync(path, 'r');
  try {
    const buffer = Buffer.alloc(HASH_CHUNK);
    for (;;) {
      const n = readSync(fd, buffer, 0, buffer.length, null);
      if (n === 0) {
        return sum.digest('hex');
      }
      sum.update(buffer.subarray(0, n));
      await new Promise((resolve) => setImmediate(resolve));
    }
  } finally {
    closeSync(fd);
  }
}

function forget(file: string): void {
  for (const suffix of ['-wal', '-shm', '-journal', '']) {
    rmSync(file + suffix, { force: true });
  }
}

/**
 * Whether there is something in a file. @throws Error where the disk does not tell: what is not known to be missing is
 * not replaced.
 */
function holds(file: string): boolean {
  return (statSync(file, { throwIfNoEntry: false })?.size ?? 0) > 0;
}

/** A copy that is on disk for good, or none. */
function copyWhole(from: string, to: string): void {
  try {
    copyFileSync(from, to);
    chmodSync(to, 0o600);
    syncPath(to);
  } catch (error) {
    forget(to);
    throw error;
  }
}

/**
 * What SQLite looks at before anything else, and what no check of it tells: by a flipped bit there it takes a database
 * for one of a newer release, that may only be read.
 */
function damagedHeader(file: string): string[] {
  const header = Buffer.alloc(20);
  const fd = openSync(file, 'r');
  try {
    readSync(fd, header, 0, header.length, 0);
  } finally {
    closeSync(fd);
  }
  return [header[18], header[19]].every((version) => version === 1 || version === 2)
    ? []
    : ['The header of the file is not what SQLite writes.'];
}

const readMeta = (db: Store): Meta =>
  db.prepare<[], Meta>('SELECT epoch, base, message, position, chain, schema FROM _meta').get() as Meta;

/** @throws Error where SQLite finds fault with a file. */
function inspect(file: string): Meta {
  const db = new Database(file, { nativeBinding: addonPath(), readonly: true });
  try {
    const found = db.pragma('integrity_check', { simple: true });
    if (found !== 'ok') {
      throw new Error(`SQLite finds fault with ${file}: ${String(found)}`);
    }
    return readMeta(db);
  } finally {
    db.close();
  }
}

/** @throws Error where a copy of the database is not what was written to it: nobody may start from it. */
async function inspectWhole(file: string): Promise<Meta> {
  const db = new Database(file, { nativeBinding: addonPath(), readonly: true });
  try {
    const problems = await inTurns(verifySteps(db));
    if (problems.length > 0) {
      throw new Damaged(`the database is damaged: ${problems.join(' ')}`);
    }
    return readMeta(db);
  } finally {
    db.close();
  }
}

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
  const folder = join(dir, 'snapshots');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const left of [incoming, restoring, `${current}.tmp`]) {
    forget(left);
  }
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
  const snapshots = (): Snapshot[] =>
    readdirSync(folder)
      .filter((name) => name.endsWith('.json'))
      .flatMap(describedBy)
      .sort((a, b) => b.epoch - a.epoch || b.position - a.position);
  const drop = (old: Snapshot): void => {
    rmSync(descriptionOf(old), { force: true });
    forget(nameOf(old));
  };

  const isThere = (): boolean => holds(current);
  const moveAside = (): void => {
    // The WAL belongs to the file by its name.
    if (isThere()) {
      for (const suffix of ['-wal', '']) {
        if (existsSync(current + suffix)) {
          renameSync(current + suffix, aside + suffix);
        }
      }
    }
    forget(current);
  };
  /** Each step leaves what makes the next call go on from there. */
  const putRestored = (): void => {
    moveAside();
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
    },
    sync() {
      if (existsSync(`${current}-wal`)) {
        syncPath(`${current}-wal`);
      }
    },
    missing: () => !holds(restored) && !isThere() && (holds(aside) || snapshots().length > 0),
    setAside() {
      forget(aside);
      moveAside();
    },
    replace(by) {
      let source = incoming;
      if (by !== 'received') {
        source = `${current}.tmp`;
        copyWhole(nameOf(by), source);
      }
      // First, or SQLite would play the old one's WAL into the new file.
      forget(current);
      renameSync(source, current);
      syncPath(dir);
    },
    prepare(from) {
      forget(restoring);
      if (from !== undefined) {
        copyWhole(nameOf(from), restoring);
      }
      const db = new Database(restoring, { nativeBinding: addonPath() });
      try {
        chmodSync(restoring, 0o600);
        // Nobody starts from it before it is flushed as a whole.
        db.pragma('journal_mode = MEMORY');
        db.pragma('synchronous = OFF');
        db.pragma('foreign_keys = ON');
        db.pragma('trusted_schema = OFF');
        return { db, adopt, abandon: () => forget(restoring) };
      } catch (error) {
        db.close();
        forget(restoring);
        throw error;
      }
    },
    async snapshot(writer) {
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
        for (const old of snapshots().slice(KEEP_SNAPSHOTS)) {
          drop(old);
        }
        return snapshot;
      } finally {
        forget(temporary);
      }
    },
    snapshots,
    drop,
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
    receive(snapshot) {
      forget(incoming);
      const fd = openSync(incoming, 'wx', 0o600);
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
          const meta = inspect(incoming);
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
          forget(incoming);
        },
      };
    },
    async verify() {
      try {
        const db = new Database(current, { nativeBinding: addonPath(), readonly: true });
        try {
          const problems = [...damagedHeader(current), ...(await inTurns(verifySteps(db)))];
          return { problems, log: problems.length > 0 ? [] : await inTurns(damagedLog(db)) };
        } finally {
          db.close();
        }
      } catch (error) {
        if (isOutside(error)) {
          throw error;
        }
        return { problems: [`SQLite: ${(error as Error).message}.`], log: [] };
      }
    },
    openDamaged() {
      const file = isThere() ? current : aside;
      return holds(file) ? new Database(file, { nativeBinding: addonPath(), readonly: true }) : undefined;
    },
  };
}
