import { hash } from 'node:crypto';
import type { Command } from '../entry.ts';
import type { Sums } from '../images.ts';
import { purely } from '../purity.ts';
import { carrySchemaSum } from '../schema-sum.ts';
import { carryOut, transactionAt } from './carry-out.ts';
import type { MachineContext } from './context.ts';
import { loadSums } from './internal-tables.ts';
import type { AppliedEntry, Decoded, Meta, Outcome, Result } from './types.ts';
import { WHOLE_TABLES_EVERY, hashWholeTables } from './whole-tables.ts';

/** The applier cannot go on: an entry that this release cannot apply, or a fault of ours or of the disk. */
export class Broken extends Error {
  override name = 'Broken';
  readonly position: number;
  /** What was applied before it. */
  applied: AppliedEntry[] = [];
  constructor(position: number, what: string, cause: unknown) {
    super(
      `position ${position} (${what}) cannot be applied: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
    this.position = position;
  }
}

/** Hexadecimal sha256 of a message, as the log's history has it. */
export const hashMessage = (message: Uint8Array): string => hash('sha256', message, 'hex');

/**
 * Applies messages in one transaction.
 * @throws Broken, with the messages before the one in question applied; Error of the disk, with nothing changed
 */
export function applyTogether(context: MachineContext, messages: Decoded[]): AppliedEntry[] {
  const { db, options, sql, images } = context;
  const before = { meta: context.meta, sums: images.sums() };
  const applied: AppliedEntry[] = [];
  let reached = 0;
  sql.begin.run();
  try {
    for (const message of messages) {
      applied.push(...applyMessage(context, message));
      reached += 1;
    }
    flush(context, before.sums, before.meta.schema);
    options.step?.('before commit');
    sql.commit.run();
  } catch (error) {
    if (db.inTransaction) {
      db.exec('ROLLBACK');
    }
    const schemaChanged = context.meta.schema !== before.meta.schema;
    const { position } = context.meta;
    context.meta = before.meta;
    if (schemaChanged) {
      images.watch();
    }
    images.setSums(before.sums);
    const failed = messages[reached];
    if (failed === undefined) {
      // The disk is full, or does not answer: whether it is written already, only the database knows.
      context.meta = sql.readMeta.get() as Meta;
      images.setSums(loadSums(sql));
      throw error;
    }
    const earlier = reached === 0 ? [] : applyTogether(context, messages.slice(0, reached));
    const broken = new Broken(
      position + 1,
      failed.commands[position - context.meta.position]?.kind ?? 'no entry',
      error,
    );
    broken.applied = earlier;
    throw broken;
  }
  options.step?.('after commit');
  return applied;
}

function applyMessage(context: MachineContext, { bytes, commands }: Decoded): AppliedEntry[] {
  const { options, sql, images } = context;
  const messageHash = hashMessage(bytes);
  const message = context.meta.message + 1;
  const applied = commands.map((command) => {
    const one = applyOne(context, messageHash, command);
    options.step?.('applied');
    return one;
  });
  sql.history.run(message, Buffer.from(messageHash, 'hex'), context.meta.chain);
  images.take();
  if (options.keepLog) {
    sql.log.run(message, bytes);
  }
  context.meta = { ...context.meta, message };
  return applied;
}

function applyOne(context: MachineContext, messageHash: string, command: Command): AppliedEntry {
  const { sql, images } = context;
  const position = context.meta.position + 1;
  const tx = transactionAt(context, position);
  const before = sql.seen.get(command.id);
  let outcome: Outcome;
  let covered: string;
  if (before !== undefined) {
    outcome = { position: before.position, result: JSON.parse(before.result) as Result };
    covered = 'again';
  } else {
    const result = purely(() => carryOut(context, tx, command));
    const text = JSON.stringify(result);
    sql.remember.run(command.id, position, text);
    outcome = { position, result };
    covered = text;
  }
  if (position % WHOLE_TABLES_EVERY === 0) {
    covered += hashWholeTables(context, tx);
  }
  const { effects, sums } = images.take();
  if (command.kind === 'schema.activate') {
    for (const [table, s] of [...sums].sort()) {
      if (!table.startsWith('_')) {
        covered += `${table}=${s.rows}:${s.sum.toString(16)};`;
      }
    }
  }
  const chain = hash('sha256', `${context.meta.chain}|${position}|${messageHash}|${covered}|${effects}`, 'hex');
  context.meta = { ...context.meta, position, chain };
  return { ...outcome, at: position, id: command.id, kind: command.kind, args: command.args };
}

function flush({ db, sql, images, meta }: MachineContext, sumsBefore: Sums, schemaBefore: number): void {
  if (meta.schema !== schemaBefore) {
    carrySchemaSum(db);
  }
  for (const [table, s] of images.sums()) {
    const old = sumsBefore.get(table);
    if (old?.rows !== s.rows || old.sum !== s.sum) {
      sql.sum.run(table, s.rows, s.sum.toString(16));
    }
  }
  sql.meta.run(meta);
}
