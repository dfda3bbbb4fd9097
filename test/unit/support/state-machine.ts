import { z } from 'zod';
import { defineCommand, loadKinds, loadSchema, type CommandKind, type Kinds } from '../../../src/store/kind.ts';
import { openMachine, type Machine } from '../../../src/store/machine.ts';
import { entryOf, memoryDatabase } from '../../support/store-temp.ts';

export const kinds = await loadKinds();
export const schema = await loadSchema();
/** The hash of some token. */
export const HASH = 'a'.repeat(64);

/** A state machine over an empty database, with these kinds beside the product's. */
export function machine(more: Record<string, CommandKind<unknown>> = {}, step?: (name: string) => void): Machine {
  const all: Kinds = new Map([...kinds, ...Object.entries(more)]);
  return openMachine(memoryDatabase(), { kinds: all, schema, keepLog: true, ...(step === undefined ? {} : { step }) });
}

/** A state machine whose first schema is active. */
export function started(more: Record<string, CommandKind<unknown>> = {}): Machine {
  const m = machine(more);
  m.apply([entryOf('schema.activate', { version: 1 })]);
  return m;
}

/** A command that creates a user. */
export const user = (name: string, role = 'admin') =>
  entryOf('user.create', { name, role, passwordHash: 'h', mustChangePassword: true });

/** A kind that does what a test wants. */
export function kind(apply: CommandKind<unknown>['apply']): CommandKind<unknown> {
  return defineCommand<unknown>({ since: 1, args: z.unknown(), apply });
}
