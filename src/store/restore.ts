import { Failure } from '../errors.ts';
import { refuseNewer } from './core.ts';
import type { CoreOptions } from './core/options.ts';
import { Damaged, isOutside } from './damage.ts';
import type { Store } from './database.ts';
import { openMachine, type Machine } from './machine.ts';
import { hashMessage } from './machine/apply.ts';
import type { Prepared, Snapshot } from './storage.ts';
import { inTurns, verifySteps } from './verify.ts';

/** Entries in one transaction, after which other work has its turn. */
const TOGETHER = 256;

/** Throws where a transaction must not be carried out. */
interface Judge {
  beforeCommit?: () => void;
}

type RestoreOptions = Pick<CoreOptions, 'self' | 'storage' | 'kinds' | 'schema' | 'log' | 'step'>;

export interface Restored {
  /** Puts it in the place of the current database, which must be closed. */
  adopt(): void;
  /** A sentence if changes may be lost; undefined if the log reached as far as the damaged database had been. */
  reason: string | undefined;
}

/**
 * With one instance, whose database is damaged or missing: prepares another one beside it, from the newest snapshot
 * that is sound and then what the damaged file's log still has, entry by entry as long as they are what was written and
 * follow on each other. The damaged one is only read, and may be in use meanwhile, but not written. A crash before
 * `adopt` leaves all as it was.
 * @throws Failure `store-damaged` where nothing is left to restore from; Error where the disk is full or does not
 *   answer: it may be tried again.
 */
export async function restore(options: RestoreOptions): Promise<Restored> {
  const { storage, log } = options;
  const missing = storage.missing();
  const damaged = storage.openDamaged();
  const unsound: Snapshot[] = [];
  try {
    // What was put aside may be from long before.
    const wanted = missing || damaged === undefined ? undefined : lastPosition(damaged);
    for (const from of [...storage.snapshots(), undefined]) {
      const prepared = await restoreFrom(from, damaged, options);
      if (prepared === undefined) {
        if (from !== undefined) {
          unsound.push(from);
        }
        continue;
      }
      const { position, adopt } = prepared;
      // Nothing at all is no state to go on with, unless there never was anything.
      if (from === undefined && position === 0 && wanted !== 0) {
        prepared.abandon();
        continue;
      }
      log(`store: restored up to position ${position}`);
      for (const snapshot of unsound) {
        storage.drop(snapshot);
      }
      const lost = wanted === undefined || position < wanted;
      return {
        adopt,
        reason: lost
          ? `The database was ${missing ? 'missing' : 'damaged'} and restored up to position ${position}; later ` +
            'changes may be lost.'
          : undefined,
      };
    }
  } finally {
    damaged?.close();
  }
  throw new Failure(
    'store-damaged',
    'The database of the cloud is damaged, and neither a sound snapshot nor a log from the beginning is there to ' +
      'restore it from.',
    {
      host: options.self,
      remedy:
        'Keep a copy of the folder cloud/state/replica of this node; without it the cloud begins anew, with ' +
        'nothing of its former state.',
    },
  );
}

/** @returns undefined where the snapshot is not sound. */
async function restoreFrom(
  from: Snapshot | undefined,
  damaged: Store | undefined,
  options: RestoreOptions,
): Promise<(Prepared & { position: number }) | undefined> {
  const { storage, kinds, schema, log } = options;
  let prepared: Prepared | undefined;
  try {
    prepared = storage.prepare(from);
    const { db } = prepared;
    const problems = from === undefined ? [] : await inTurns(verifySteps(db));
    if (problems.length > 0) {
      throw new Damaged(problems.join(' '));
    }
    const judge: Judge = {};
    const machine = openMachine(db, {
      kinds,
      schema,
      keepLog: true,
      step(name) {
        options.step?.(`restore: ${name}`);
        if (name === 'before commit') {
          judge.beforeCommit?.();
        }
      },
    });
    refuseNewer(machine.meta().schema, options);
    if (machine.meta().epoch === 0) {
      machine.startEpoch(1);
    }
    if (damaged !== undefined) {
      await replay(machine, damaged, judge, log);
    }
    db.close();
    return { ...prepared, position: machine.meta().position };
  } catch (error) {
    prepared?.db.close();
    prepared?.abandon();
    if (from === undefined || isOutside(error) || error instanceof Failure) {
      throw error;
    }
    log(`store: the snapshot of position ${from.position} is of no use: ${(error as Error).message}`);
    return undefined;
  }
}

/**
 * Entries are taken by their own hashes: after a restore the chain may be another one, since a damaged row that was
 * written again is in the old one.
 * What has no hash that fits is taken if the chain fits after it, which then proves all before it as well.
 */
async function replay(machine: Machine, damaged: Store, judge: Judge, log: (line: string) => void): Promise<void> {
  const start = machine.meta();
  // Another chain at this place: another history, or this row is what is damaged.
  let ours = [undefined, start.chain].includes(historyAt(damaged, start.message)?.chain);
  try {
    for (;;) {
      const next = logAfter(damaged, machine.meta().message, log);
      const [first] = next;
      if (first === undefined) {
        return;
      }
      const odd = ours ? next.findIndex((entry) => !entry.asWritten) : 0;
      const whole = odd < 0 ? next : next.slice(0, odd);
      if (whole.length > 0) {
        machine.apply(whole.map(({ bytes }) => bytes));
      } else {
        judge.beforeCommit = () => {
          if (machine.meta().chain !== first.chain) {
            throw new Error('the next entry is not what was written');
          }
        };
        machine.apply([first.bytes]);
        delete judge.beforeCommit;
        ours = true;
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
  } catch (error) {
    if (isOutside(error)) {
      throw error;
    }
    log(`store: the log ends at position ${machine.meta().position}: ${(error as Error).message}`);
  }
}

function lastPosition(db: Store): number | undefined {
  return readable(() => db.prepare<[], number>('SELECT position FROM _meta').pluck().get());
}

function historyAt(db: Store, message: number): { hash: string; chain: string } | undefined {
  return readable(() =>
    db
      .prepare<[number], { hash: string; chain: string }>(
        'SELECT lower(hex(hash)) AS hash, chain FROM _history WHERE message = ?',
      )
      .get(message),
  );
}

interface Logged {
  bytes: Buffer;
  /** By its hash; true as well where there is none any more. */
  asWritten: boolean;
  /** After it. */
  chain: string | undefined;
}

/** The next entries that can be read. */
function logAfter(db: Store, message: number, log: (line: string) => void): Logged[] {
  const entries: Logged[] = [];
  try {
    const one = db.prepare<[number], unknown>('SELECT entry FROM _log WHERE message = ?').pluck();
    while (entries.length < TOGETHER) {
      const at = message + entries.length + 1;
      const bytes = one.get(at);
      if (!Buffer.isBuffer(bytes)) {
        break;
      }
      const history = historyAt(db, at);
      entries.push({
        bytes,
        asWritten: history === undefined || hashMessage(bytes) === history.hash,
        chain: history?.chain,
      });
    }
  } catch (error) {
    if (isOutside(error)) {
      throw error;
    }
    log(`store: the log cannot be read beyond message ${message + entries.length}: ${(error as Error).message}`);
  }
  return entries;
}

/** What a damaged file still tells. */
function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (isOutside(error)) {
      throw error;
    }
    return undefined;
  }
}
