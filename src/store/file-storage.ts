import { createHash } from 'node:crypto';
import { chmodSync, closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, readSync, readdirSync, renameSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { addonPath } from '../assets.ts';
import { replaceFile, syncPath } from '../durable.ts';
import type { Meta } from './machine.ts';
import { KEEP_SNAPSHOTS, type Snapshot, type Storage } from './storage.ts';
import { damagedLog, inTurns, verifySteps } from './verify.ts';

/**
 * Pages in SQLite's -wal (16 MB of them) after which they go into the database. A change writes some ten pages, mostly the same ones: with SQLite's
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
      if (n === 0) return sum.digest('hex');
      sum.update(buffer.subarray(0, n));
      await new Promise((resolve) => setImmediate(resolve));
    }
  } finally {
    closeSync(fd);
  }
}

function forget(file: string): void {
  for (const suffix of ['-wal', '-shm', '-journal', '']) rmSync(file + suffix, { force: true });
}

function inspect(file: string): Meta {
  const db = new Database(file, { nativeBinding: addonPath(), readonly: true });
  try {
    const found = db.pragma('integrity_check', { simple: true });
    if (found !== 'ok') throw new Error(`SQLite finds fault with ${file}: ${String(found)}`);
    return db.prepare<[], Meta>('SELECT epoch, base, message, position, chain, schema FROM _meta').get() as Meta;
  } finally {
    db.close();
  }
}

/**
 * Files below `dir`, all readable by their owner only: `state.db` (with SQLite's -wal and -shm), `snapshots/<epoch>-<position>.db` each with a
 * `.json` that is written last, `incoming.db` while one is received, `aside.db` what was found damaged.
 * @param durability FULL where nothing else has the last commits; NORMAL where the stream's fsynced copies replay them.
 */
export function fileStorage(dir: string, durability: 'FULL' | 'NORMAL'): Storage {
  const current = join(dir, 'state.db');
  const aside = join(dir, 'aside.db');
  const incoming = join(dir, 'incoming.db');
  const folder = join(dir, 'snapshots');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  forget(incoming);
  for (const name of readdirSync(folder)) if (name.endsWith('.tmp')) forget(join(folder, name));

  const nameOf = (s: Pick<Snapshot, 'epoch' | 'position'>): string => join(folder, `${s.epoch}-${s.position}.db`);
  const snapshots = (): Snapshot[] =>
    readdirSync(folder)
      .filter((name) => name.endsWith('.json') && existsSync(join(folder, name.replace(/json$/, 'db'))))
      .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Snapshot)
      .sort((a, b) => b.epoch - a.epoch || b.position - a.position);
  const prune = (): void => {
    for (const old of snapshots().slice(KEEP_SNAPSHOTS)) {
      rmSync(nameOf(old).replace(/db$/, 'json'), { force: true });
      forget(nameOf(old));
    }
  };

  return {
    open() {
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
      if (existsSync(`${current}-wal`)) syncPath(`${current}-wal`);
    },
    setAside() {
      forget(aside);
      // The WAL belongs to the file by its name.
      for (const suffix of ['-wal', '']) if (existsSync(current + suffix)) renameSync(current + suffix, aside + suffix);
      forget(current);
    },
    replace(by) {
      let source = incoming;
      if (by !== 'received') {
        source = `${current}.tmp`;
        writeFileSync(source, readFileSync(nameOf(by)), { mode: 0o600, flush: true });
      }
      // First, or SQLite would play the old one's WAL into the new file.
      forget(current);
      renameSync(source, current);
      syncPath(dir);
    },
    async snapshot(writer) {
      const temporary = join(folder, 'new.db.tmp');
      forget(temporary);
      await writer.backup(temporary);
      chmodSync(temporary, 0o600);
      const meta = inspect(temporary);
      const snapshot: Snapshot = { ...meta, bytes: statSync(temporary).size, sha256: await sha256Of(temporary) };
      syncPath(temporary);
      renameSync(temporary, nameOf(snapshot));
      for (const suffix of ['-wal', '-shm']) rmSync(temporary + suffix, { force: true });
      const description = nameOf(snapshot).replace(/db$/, 'json');
      replaceFile(description, JSON.stringify(snapshot), { mode: 0o600 });
      prune();
      return snapshot;
    },
    snapshots,
    read(snapshot, offset, length) {
      if (!existsSync(nameOf(snapshot))) return undefined;
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
          if (bytes !== snapshot.bytes || sum.digest('hex') !== snapshot.sha256) throw new Error('the snapshot has other bytes than were announced');
          const meta = inspect(incoming);
          if (meta.position !== snapshot.position || meta.chain !== snapshot.chain) throw new Error('the snapshot is not the announced one');
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
          const problems = await inTurns(verifySteps(db));
          return { problems, log: problems.length > 0 ? [] : await inTurns(damagedLog(db)) };
        } finally {
          db.close();
        }
      } catch (error) {
        return { problems: [`SQLite: ${(error as Error).message}.`], log: [] };
      }
    },
    openAside() {
      if (!existsSync(aside)) return undefined;
      try {
        return new Database(aside, { nativeBinding: addonPath() });
      } catch {
        return undefined;
      }
    },
  };
}
