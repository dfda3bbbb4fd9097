import type { Statement } from 'better-sqlite3';
import type { Store } from './database.ts';
import { decodeMessage, type Command } from './entry.ts';
import { recordImages } from './images.ts';
import { Broken, applyTogether } from './machine/apply.ts';
import type { MachineContext } from './machine/context.ts';
import { createInternal, loadSums, prepareStatements } from './machine/internal-tables.ts';
import type { AppliedEntry, Decoded, MachineOptions, Meta, Outcome, Result } from './machine/types.ts';
import { forbidImpureSql } from './purity.ts';

/** Applies messages of entries to a database, one after the other. Everything here is synchronous. */
export interface Machine {
  db: Store;
  meta(): Meta;
  /**
   * Applies messages that follow the last one, in one transaction.
   * @throws Broken; the messages before the one in question have been applied then.
   */
  apply(messages: Uint8Array[]): AppliedEntry[];
  /** The outcome of a command by its id; undefined where it has not been applied. */
  find(id: string): Outcome | undefined;
  /** Chain after a message (hexadecimal); undefined where it is not known any more. */
  chainAt(message: number): string | undefined;
  /** Hashes of the messages in [from, to], hexadecimal, by number. */
  messageHashes(from: number, to: number): Map<number, string>;
  /** Goes on under a new epoch, whose first message will be the next one. */
  startEpoch(epoch: number): void;
  /** Drops messages up to a number from `_log`. */
  trimLog(message: number): void;
  close(): void;
}

/** @param db a writable connection of its own: functions are overridden and triggers added on it. */
export function openMachine(db: Store, options: MachineOptions): Machine {
  createInternal(db);
  db.pragma('recursive_triggers = ON');
  const sql = prepareStatements(db);
  const meta = sql.readMeta.get() as Meta;
  forbidImpureSql(db);
  const images = recordImages(db);
  images.watch();
  images.setSums(loadSums(sql));

  const statements = new Map<string, Statement>();
  const prepared = (text: string): Statement => {
    let statement = statements.get(text);
    if (statement === undefined) {
      statements.set(text, (statement = db.prepare(text)));
    }
    return statement;
  };
  const context: MachineContext = { db, options, sql, images, prepared, meta };

  return {
    db,
    meta: () => context.meta,
    apply(messages) {
      const applied: AppliedEntry[] = [];
      let group: Decoded[] = [];
      const run = (): void => {
        try {
          if (group.length > 0) {
            applied.push(...applyTogether(context, group));
          }
        } catch (error) {
          if (error instanceof Broken) {
            error.applied = [...applied, ...error.applied];
          }
          throw error;
        }
        group = [];
      };
      for (const bytes of messages) {
        let commands: Command[];
        try {
          commands = decodeMessage(bytes);
        } catch (error) {
          run();
          const broken = new Broken(context.meta.position + 1, 'no entry of this release', error);
          broken.applied = applied;
          throw broken;
        }
        // A migration is on its own: the sums are counted anew after it.
        const migrates = commands.some((c) => c.kind === 'schema.activate');
        if (migrates) {
          run();
        }
        group.push({ bytes, commands });
        if (migrates) {
          run();
        }
      }
      run();
      return applied;
    },
    find(id) {
      const row = sql.seen.get(id);
      return row === undefined ? undefined : { position: row.position, result: JSON.parse(row.result) as Result };
    },
    chainAt: (message) => (message === context.meta.message ? context.meta.chain : sql.chain.get(message)),
    messageHashes: (from, to) => new Map(sql.hashes.all(from, to).map((r) => [r.message, r.hash.toString('hex')])),
    startEpoch(epoch) {
      context.meta = { ...context.meta, epoch, base: context.meta.message };
      sql.meta.run(context.meta);
    },
    trimLog: (message) => void sql.trimLog.run(message),
    close: () => db.close(),
  };
}
