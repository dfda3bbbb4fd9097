import { z } from 'zod';
import { Failure } from '../errors.ts';
import { isDamage } from './damage.ts';
import type { Store } from './database.ts';
import { MAX_DEPTH, encodeEntry, isShallow, type Command } from './entry.ts';
import type { Kinds, Migration } from './kind.ts';
import { openMachine, type Machine } from './machine.ts';
import type { AppliedEntry, Outcome } from './machine/types.ts';
import type { ChangeEvent, Draft } from './replica.ts';
import { tooFull, type Space } from './space.ts';
import type { Snapshot, Storage } from './storage.ts';
import type { Timing } from './timing.ts';
import { ulid } from './ulid.ts';

/** What one instance and a cluster's have in common. */
export interface CoreOptions {
  self: string;
  kinds: Kinds;
  schema: Migration[];
  storage: Storage;
  timing: Timing;
  random(bytes: number): Uint8Array;
  log(line: string): void;
  space(): Space;
  /** Between any two steps; a test crashes here. */
  step?: (name: string) => void;
  /** By default `LIMITS`. */
  limits?: Limits;
}

export interface Limits {
  /** A snapshot after this many entries … */
  snapshotEntries: number;
  /** … or this long after the last one, if there was any entry. */
  snapshotMs: number;
  /** Messages that stay in the log below the oldest snapshot that somebody may start from. */
  logMargin: number;
}

export const LIMITS: Limits = { snapshotEntries: 10_000, snapshotMs: 15 * 60_000, logMargin: 1000 };

/** Proposals that wait at once; beyond, `store-busy`. */
export const MAX_WAITING = 1024;
/** A proposal's answer, or `store-unavailable`. */
export const DEADLINE_MS = 15_000;
/** A database that this release must leave alone. */
export const NEWER = 'store-newer';
const SPACE_EVERY_MS = 1000;
/** After a snapshot that came to nothing: a full disk would get and lose a whole copy again and again. */
const SNAPSHOT_AGAIN_MS = 60_000;

/** @throws Failure `store-newer` where a database is of a schema that this release does not know. */
export function refuseNewer(schema: number, { self, schema: known }: Pick<CoreOptions, 'self' | 'schema'>): void {
  const supported = known.at(-1)?.version ?? 0;
  if (schema > supported) {
    throw new Failure(
      NEWER,
      `The database of the cloud has schema ${schema}; this release knows ${supported} at most.`,
      { host: self, remedy: 'Run the release that wrote it, or a newer one.' },
    );
  }
}

export interface Core {
  machine(): Machine;
  reader(): Store;
  /** Checks a draft and fixes its values. @throws Failure. */
  prepare(draft: Draft): { command: Command; bytes: Uint8Array };
  /** Resolves as soon as the command is applied, whoever logged it. `cancel` when it is not waited for any more. */
  awaitOutcome(id: string): { outcome: Promise<Outcome>; cancel(): void };
  waiting(): number;
  /** Tells all who wait. */
  announce(entries: AppliedEntry[]): void;
  onChange(listener: (change: ChangeEvent) => void): () => void;
  waitFor(position: number, ms: number): Promise<boolean>;
  /**
   * Closes the database, lets `change` put another one in its place, and opens what is there then, also where `change`
   * throws.
   * @throws what `change` or the opening throws; `machine().db.open` tells whether there is a database. Where there is
   *   none, call it again, to change nothing.
   */
  exchange(change: () => void): void;
  snapshotDue(): boolean;
  snapshot(): Promise<Snapshot | undefined>;
  /** Whether a snapshot has found the database damaged since this was asked last. */
  doubtful(): boolean;
  close(): void;
}

export function openCore(options: CoreOptions, keepLog: boolean): Core {
  const { storage, timing, limits = LIMITS } = options;
  const listeners = new Set<(change: ChangeEvent) => void>();
  const byId = new Map<string, Set<(outcome: Outcome) => void>>();
  const byPosition = new Set<{ position: number; reached: () => void }>();
  let space = { at: -Infinity, full: false };
  let lastSnapshot = { at: timing.now(), position: storage.snapshots()[0]?.position ?? 0 };
  let noSnapshot = -Infinity;
  let doubtful = false;
  let snapshotting: Promise<Snapshot | undefined> | undefined;
  let opened = openBoth();

  function openBoth(): { machine: Machine; reader: Store } {
    const { writer, reader } = storage.open();
    try {
      const machine = openMachine(writer, {
        kinds: options.kinds,
        schema: options.schema,
        keepLog,
        ...(options.step === undefined ? {} : { step: options.step }),
      });
      refuseNewer(machine.meta().schema, options);
      return { machine, reader };
    } catch (error) {
      reader.close();
      writer.close();
      throw error;
    }
  }
  function closeBoth(): void {
    opened.reader.close();
    opened.machine.close();
  }
  function reopen(): void {
    opened = openBoth();
    const { position } = opened.machine.meta();
    lastSnapshot = { at: timing.now(), position: storage.snapshots()[0]?.position ?? 0 };
    noSnapshot = -Infinity;
    for (const [id, waiters] of byId) {
      const outcome = opened.machine.find(id);
      if (outcome !== undefined) {
        for (const resolve of waiters) {
          resolve(outcome);
        }
      }
    }
    reached();
    for (const listener of listeners) {
      listener({ type: 'reset', position });
    }
  }
  async function takeSnapshot(): Promise<Snapshot> {
    const { db } = opened.machine;
    const bytes =
      (db.pragma('page_count', { simple: true }) as number) * (db.pragma('page_size', { simple: true }) as number);
    const { free, total } = options.space();
    if (tooFull({ free: free - bytes, total })) {
      throw new Error(`it would have ${Math.ceil(bytes / 1e6)} MB, and ${Math.floor(free / 1e6)} MB are free`);
    }
    return storage.snapshot(db);
  }
  function reached(): void {
    const { position } = opened.machine.meta();
    for (const waiter of byPosition) {
      if (waiter.position <= position) {
        waiter.reached();
      }
    }
  }
  function isFull(): boolean {
    const now = timing.now();
    if (now - space.at >= SPACE_EVERY_MS) {
      space = { at: now, full: tooFull(options.space()) };
    }
    return space.full;
  }

  return {
    machine: () => opened.machine,
    reader: () => opened.reader,
    prepare(draft) {
      const kind = options.kinds.get(draft.kind);
      if (kind === undefined) {
        throw new Failure('store-invalid', `There is no change of the kind ${draft.kind}.`);
      }
      // An instance of the older release would stop at a kind that it does not know.
      const active = opened.machine.meta().schema;
      if (active === 0 && kind.since > 0) {
        throw new Failure('store-unavailable', 'This control plane has not got the state of the cloud yet.', {
          host: options.self,
          remedy: 'Ask another control plane, or try again in a moment.',
        });
      }
      if (active < kind.since) {
        throw new Failure(
          'store-not-active',
          `The change ${draft.kind} is possible once all control planes run this release.`,
          { host: options.self, remedy: 'Try again when the upgrade is complete.' },
        );
      }
      if (!isShallow(draft.args, MAX_DEPTH)) {
        throw new Failure(
          'store-invalid',
          `The change ${draft.kind} is not valid: it is nested more than ${MAX_DEPTH} levels deep.`,
        );
      }
      const args = kind.args.safeParse(draft.args);
      if (!args.success) {
        throw new Failure('store-invalid', `The change ${draft.kind} is not valid: ${z.prettifyError(args.error)}.`);
      }
      const at = timing.wall();
      const command: Command = {
        v: 1,
        kind: draft.kind,
        id: draft.id ?? ulid(at, options.random(10)),
        at,
        actor: draft.actor,
        ...(draft.expect === undefined ? {} : { expect: draft.expect }),
        args: args.data,
      };
      const bytes = encodeEntry(command);
      if (isFull()) {
        throw new Failure(
          'store-disk-full',
          'There is too little free space on the disk of the cloud, so nothing can be changed.',
          { host: options.self, remedy: 'Free space: 7 % and 1 GiB are the least.' },
        );
      }
      if (byId.size >= MAX_WAITING) {
        throw new Failure('store-busy', `${MAX_WAITING} changes wait already.`, {
          host: options.self,
          remedy: 'Try again in a moment.',
        });
      }
      return { command, bytes };
    },
    awaitOutcome(id) {
      const { promise, resolve } = Promise.withResolvers<Outcome>();
      const waiters = byId.get(id) ?? new Set();
      byId.set(id, waiters.add(resolve));
      return {
        outcome: promise,
        cancel() {
          waiters.delete(resolve);
          if (waiters.size === 0 && byId.get(id) === waiters) {
            byId.delete(id);
          }
        },
      };
    },
    waiting: () => byId.size,
    announce(entries) {
      for (const { id, position, result } of entries) {
        for (const resolve of byId.get(id) ?? []) {
          resolve({ position, result });
        }
      }
      reached();
      const { position } = opened.machine.meta();
      if (entries.length > 0) {
        for (const listener of listeners) {
          listener({ type: 'applied', position, entries });
        }
      }
    },
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async waitFor(position, ms) {
      if (opened.machine.meta().position >= position) {
        return true;
      }
      const over = new AbortController();
      let found = false;
      const waiter = {
        position,
        reached: (): void => {
          found = true;
          over.abort('over');
        },
      };
      byPosition.add(waiter);
      await timing.sleep(ms, over.signal);
      byPosition.delete(waiter);
      return found;
    },
    exchange(change) {
      closeBoth();
      try {
        change();
      } catch (error) {
        try {
          reopen();
        } catch (second) {
          options.log(`store: the database cannot be opened: ${(second as Error).message}`);
        }
        throw error;
      }
      reopen();
    },
    snapshotDue() {
      const { position } = opened.machine.meta();
      const entries = position - lastSnapshot.position;
      return (
        snapshotting === undefined &&
        timing.now() - noSnapshot >= SNAPSHOT_AGAIN_MS &&
        (entries >= limits.snapshotEntries || (entries > 0 && timing.now() - lastSnapshot.at >= limits.snapshotMs))
      );
    },
    snapshot() {
      const { machine } = opened;
      // The database may be exchanged meanwhile: that ends the copy with an error, and there is none this time.
      snapshotting ??= takeSnapshot()
        .then((snapshot) => {
          lastSnapshot = { at: timing.now(), position: snapshot.position };
          return snapshot;
        })
        .catch((error: Error) => {
          if (machine === opened.machine) {
            noSnapshot = timing.now();
            doubtful ||= isDamage(error);
          }
          options.log(`store: no snapshot: ${error.message}`);
          return undefined;
        })
        .finally(() => (snapshotting = undefined));
      return snapshotting;
    },
    doubtful() {
      const was = doubtful;
      doubtful = false;
      return was;
    },
    close: closeBoth,
  };
}
