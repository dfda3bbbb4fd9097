import type { ZodType } from 'zod';
import { moduleNames } from '../modules.ts';
import type { Command } from './entry.ts';

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** The database while one command is applied. Statements are prepared once. */
export interface Tx {
  /** The command's position in history: the version that the resources it writes get. */
  position: number;
  /** The active schema: what is applied under a newer one may follow newer rules. */
  schema: number;
  get<Row>(sql: string, ...params: unknown[]): Row | undefined;
  all<Row>(sql: string, ...params: unknown[]): Row[];
  /** @returns rows changed. */
  run(sql: string, ...params: unknown[]): number;
  /** Runs the migrations up to this schema; for `schema.activate` only. */
  activateSchema(version: number): void;
}

/** One resource as it was and as it is, for the audit log; without secrets. */
export interface Change {
  /** `<type>/<key>`, see resources.ts. */
  resource: string;
  before: Json;
  after: Json;
}

/**
 * A kind of command: `src/store/commands/KIND.ts` exports it as `command`.
 *
 * `apply` is a pure function of the database and the command: it is run by every instance, at different times, and must
 * write the same rows everywhere. A release that has to behave differently from its neighbour does so under a new
 * schema number, or as a new kind.
 */
export interface CommandKind<Args> {
  /** What the proposer checks. Not checked again when applied: two releases might judge differently. */
  args: ZodType<Args>;
  /** Active schema from which on it may be proposed. */
  since: number;
  /** False: no line in the audit log, for what happens often and changes nothing that anybody has decided. */
  audited?: false;
  /**
   * @throws Refusal by `refuse`, or what SQLite throws where a constraint is broken; anything else stops the applier.
   */
  apply(tx: Tx, command: Command<Args>): { value?: Json; changes: Change[] };
}

export function defineCommand<Args>(kind: CommandKind<Args>): CommandKind<Args> {
  return kind;
}

/** A command that is not carried out, equally on every instance; its result says why. */
export class Refusal extends Error {
  override name = 'Refusal';
  readonly code: RefusalCode;
  constructor(code: RefusalCode, message: string) {
    super(message);
    this.code = code;
  }
}

/**
 * `not-active`: the kind needs a schema that is not active yet. `denied`: a rule of the resource. `invalid`: a rule of
 * the tables.
 */
export type RefusalCode = 'version-conflict' | 'not-found' | 'exists' | 'not-active' | 'denied' | 'invalid';

export function refuse(code: RefusalCode, message: string): never {
  throw new Refusal(code, message);
}

// A command's args are known to its own file only.
export type Kinds = ReadonlyMap<string, CommandKind<unknown>>;

/** All kinds of `src/store/commands`. */
export async function loadKinds(): Promise<Kinds> {
  const kinds = new Map<string, CommandKind<unknown>>();
  for (const name of moduleNames('src/store/commands')) {
    const module = (await import(`./commands/${name}.ts`)) as { command: CommandKind<unknown> };
    kinds.set(name, module.command);
  }
  return kinds;
}

/** A step of the replicated schema: forward only, additive, never changed after a release. */
export interface Migration {
  version: number;
  sql: string;
}

/** All of `src/store/schema`, in order. The last one's number is the schema that this release supports. */
export async function loadSchema(): Promise<Migration[]> {
  const migrations: Migration[] = [];
  for (const name of moduleNames('src/store/schema')) {
    const module = (await import(`./schema/${name}.ts`)) as { sql: string };
    migrations.push({ version: Number.parseInt(name, 10), sql: module.sql });
  }
  return migrations;
}
