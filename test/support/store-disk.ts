import Database from 'better-sqlite3';
import { addonPath } from '../../src/assets.ts';
import type { Store } from '../../src/store/database.ts';
import type { Meta } from '../../src/store/machine/types.ts';
import { KEEP_SNAPSHOTS, type Snapshot, type Storage } from '../../src/store/storage.ts';
import { atOnce, verifySteps } from '../../src/store/verify.ts';
import { Crash, type Life } from './store-world.ts';

/** A node's disk: what outlives its processes. */
export interface Disk {
  database: Buffer | undefined;
  snapshots: { meta: Snapshot; bytes: Buffer }[];
  aside: Buffer | undefined;
  /** An earlier committed state: what is there after the power failed. */
  durable: Buffer | undefined;
  /** The open database. */
  open: Store | undefined;
}

export const emptyDisk = (): Disk => ({
  database: undefined,
  snapshots: [],
  aside: undefined,
  durable: undefined,
  open: undefined,
});

function fromBytes(bytes: Buffer | undefined): Store {
  return bytes === undefined
    ? new Database(':memory:', { nativeBinding: addonPath() })
    : new Database(bytes, { nativeBinding: addonPath() });
}

/** Keeps what was committed, as a crash of the process does. */
export function unplug(disk: Disk): void {
  const db = disk.open;
  if (db === undefined || !db.open) {
    return;
  }
  if (db.inTransaction) {
    db.exec('ROLLBACK');
  }
  disk.database = db.serialize();
  db.close();
  disk.open = undefined;
}

/** Opens what is on the disk; closing it keeps what was committed. */
function openDisk(disk: Disk): Store {
  const db = fromBytes(disk.database);
  db.pragma('foreign_keys = ON');
  db.pragma('trusted_schema = OFF');
  const close = db.close.bind(db);
  db.close = () => {
    if (disk.open === db) {
      if (db.inTransaction) {
        db.exec('ROLLBACK');
      }
      disk.database = db.serialize();
      disk.open = undefined;
    }
    return close();
  };
  disk.open = db;
  return db;
}

/** The storage of one life of a process, on a disk that outlives it. */
export function diskStorage(disk: Disk, life: Life): Storage {
  let incoming: Buffer | undefined;
  const alive = (name: string): void => {
    if (!life.alive) {
      throw new Crash();
    }
    life.step(name);
  };
  return {
    open() {
      alive('open');
      const db = openDisk(disk);
      return { writer: db, reader: db };
    },
    sync() {
      alive('sync');
      disk.durable = disk.open?.serialize() ?? disk.durable;
    },
    setAside() {
      alive('set aside');
      disk.aside = disk.database;
      disk.database = undefined;
    },
    replace(by) {
      alive('replace');
      disk.database =
        by === 'received'
          ? incoming
          : disk.snapshots.find((s) => s.meta.epoch === by.epoch && s.meta.position === by.position)?.bytes;
    },
    async snapshot(writer) {
      alive('snapshot');
      const bytes = writer.serialize();
      const meta = writer
        .prepare<[], Meta>('SELECT epoch, base, message, position, chain, schema FROM _meta')
        .get() as Meta;
      alive('snapshot copied');
      const snapshot = { meta: { ...meta, bytes: bytes.length, sha256: '' }, bytes };
      disk.snapshots = [snapshot, ...disk.snapshots].slice(0, KEEP_SNAPSHOTS);
      disk.durable = bytes;
      return snapshot.meta;
    },
    snapshots: () => disk.snapshots.map((s) => s.meta),
    drop: () => undefined,
    read: ({ epoch, position }, offset, length) =>
      disk.snapshots
        .find((s) => s.meta.epoch === epoch && s.meta.position === position)
        ?.bytes.subarray(offset, offset + length),
    receive(snapshot) {
      const chunks: Uint8Array[] = [];
      return {
        write(chunk) {
          alive('receive');
          chunks.push(chunk);
        },
        async finish() {
          alive('received');
          incoming = Buffer.concat(chunks);
          if (incoming.length !== snapshot.bytes) {
            throw new Error('the snapshot has other bytes than were announced');
          }
        },
        abort: () => undefined,
      };
    },
    async verify() {
      alive('verify');
      return { problems: disk.open === undefined ? [] : atOnce(verifySteps(disk.open)), log: [] };
    },
    // The cluster never asks for these: a single instance does.
    missing: () => false,
    prepare: () => ({ db: fromBytes(undefined), adopt: () => undefined, abandon: () => undefined }),
    openDamaged: () => undefined,
  };
}
