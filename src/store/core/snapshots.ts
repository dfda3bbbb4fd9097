import { isDamage } from '../damage.ts';
import type { Machine } from '../machine.ts';
import { tooFull } from '../space.ts';
import type { Snapshot } from '../storage.ts';
import { LIMITS, type CoreOptions } from './options.ts';

/** After a snapshot that came to nothing: a full disk would get and lose a whole copy again and again. */
const SNAPSHOT_AGAIN_MS = 60_000;

/** Takes snapshots of the database. */
export interface Snapshots {
  /** Whether enough has been applied, or enough time has passed, since the last one. */
  due(): boolean;
  /** Takes one now; one at a time. @returns undefined where it came to nothing. */
  take(): Promise<Snapshot | undefined>;
  /** Whether a snapshot has found the database damaged since this was asked last. */
  doubtful(): boolean;
  /** The database was exchanged. */
  exchanged(): void;
}

type SnapshotOptions = Pick<CoreOptions, 'storage' | 'timing' | 'log' | 'space' | 'limits'>;

/** @param current the machine, which may be another one after each exchange of the database */
export function createSnapshots(current: () => Machine, options: SnapshotOptions): Snapshots {
  const { storage, timing, limits = LIMITS } = options;
  let last = newest();
  let failedAt = -Infinity;
  let doubtful = false;
  let taking: Promise<Snapshot | undefined> | undefined;

  function newest(): { at: number; position: number } {
    return { at: timing.now(), position: storage.snapshots()[0]?.position ?? 0 };
  }

  async function copy(): Promise<Snapshot> {
    const { db } = current();
    const bytes =
      (db.pragma('page_count', { simple: true }) as number) * (db.pragma('page_size', { simple: true }) as number);
    const { free, total } = options.space();
    if (tooFull({ free: free - bytes, total })) {
      throw new Error(`it would have ${Math.ceil(bytes / 1e6)} MB, and ${Math.floor(free / 1e6)} MB are free`);
    }
    return storage.snapshot(db);
  }

  return {
    due() {
      const { position } = current().meta();
      const entries = position - last.position;
      return (
        taking === undefined &&
        timing.now() - failedAt >= SNAPSHOT_AGAIN_MS &&
        (entries >= limits.snapshotEntries || (entries > 0 && timing.now() - last.at >= limits.snapshotMs))
      );
    },
    take() {
      const machine = current();
      // The database may be exchanged meanwhile: that ends the copy with an error, and there is none this time.
      taking ??= copy()
        .then((snapshot) => {
          last = { at: timing.now(), position: snapshot.position };
          return snapshot;
        })
        .catch((error: Error) => {
          if (machine === current()) {
            failedAt = timing.now();
            doubtful ||= isDamage(error);
          }
          options.log(`store: no snapshot: ${error.message}`);
          return undefined;
        })
        .finally(() => (taking = undefined));
      return taking;
    },
    doubtful() {
      const was = doubtful;
      doubtful = false;
      return was;
    },
    exchanged() {
      last = newest();
      failedAt = -Infinity;
    },
  };
}
