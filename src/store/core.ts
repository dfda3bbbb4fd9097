import { Failure } from '../errors.ts';
import type { CoreOptions } from './core/options.ts';
import { prepareDraft } from './core/prepare.ts';
import { createSnapshots } from './core/snapshots.ts';
import { createWaiters } from './core/waiters.ts';
import type { Store } from './database.ts';
import type { Command } from './entry.ts';
import { openMachine, type Machine } from './machine.ts';
import type { AppliedEntry, Outcome } from './machine/types.ts';
import type { ChangeEvent, Draft } from './replica.ts';
import { tooFull } from './space.ts';
import type { Snapshot } from './storage.ts';

/** Proposals that wait at once; beyond, `store-busy`. */
export const MAX_WAITING = 1024;
/** A proposal's answer, or `store-unavailable`. */
export const DEADLINE_MS = 15_000;
/** A database that this release must leave alone. */
export const NEWER = 'store-newer';

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

/** Opens the database, and what one instance and one of a cluster do with it alike. @throws Failure `store-newer` */
export function openCore(options: CoreOptions, keepLog: boolean): Core {
  const listeners = new Set<(change: ChangeEvent) => void>();
  const waiters = createWaiters(options.timing);
  const snapshots = createSnapshots(() => opened.machine, options);
  let opened = openBoth(options, keepLog);

  function closeBoth(): void {
    opened.reader.close();
    opened.machine.close();
  }
  function reopen(): void {
    opened = openBoth(options, keepLog);
    const { position } = opened.machine.meta();
    snapshots.exchanged();
    waiters.exchanged(opened.machine.find, position);
    for (const listener of listeners) {
      listener({ type: 'reset', position });
    }
  }

  return {
    machine: () => opened.machine,
    reader: () => opened.reader,
    prepare(draft) {
      const prepared = prepareDraft(draft, opened.machine.meta().schema, options);
      if (tooFull(options.space())) {
        throw new Failure(
          'store-disk-full',
          'There is too little free space on the disk of the cloud, so nothing can be changed.',
          { host: options.self, remedy: 'Free space: 7 % and 1 GiB are the least.' },
        );
      }
      if (waiters.waiting() >= MAX_WAITING) {
        throw new Failure('store-busy', `${MAX_WAITING} changes wait already.`, {
          host: options.self,
          remedy: 'Try again in a moment.',
        });
      }
      return prepared;
    },
    awaitOutcome: waiters.awaitOutcome,
    waiting: waiters.waiting,
    announce(entries) {
      const { position } = opened.machine.meta();
      waiters.applied(entries, position);
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
      return opened.machine.meta().position >= position || waiters.awaitPosition(position, ms);
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
    snapshotDue: snapshots.due,
    snapshot: snapshots.take,
    doubtful: snapshots.doubtful,
    close: closeBoth,
  };
}

function openBoth(options: CoreOptions, keepLog: boolean): { machine: Machine; reader: Store } {
  const { writer, reader } = options.storage.open();
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
