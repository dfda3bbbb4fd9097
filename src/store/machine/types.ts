import type { Command } from '../entry.ts';
import type { Json, Kinds, Migration, RefusalCode } from '../kind.ts';

/** What a command came to: the same on every instance, and for every repetition of its id. */
export type Result = { ok: true; value?: Json } | { ok: false; code: RefusalCode; message: string };

export interface Outcome {
  /** Where the command was applied; from there on all instances have it. */
  position: number;
  result: Result;
}

export interface Meta {
  /** 0: an empty database that belongs to no history. It grows by one with each new stream. */
  epoch: number;
  /** The message before the first one of this epoch's stream. */
  base: number;
  /** Last applied message; counted on through epochs. */
  message: number;
  /** Last applied entry; counted on through epochs. */
  position: number;
  /** Hexadecimal sha256. */
  chain: string;
  /** Active schema. */
  schema: number;
}

export interface AppliedEntry extends Outcome {
  /** The position of this entry, which for a repeated id is not that of its outcome. */
  at: number;
  id: string;
  kind: string;
  /** As the kind's schema has them. */
  args: unknown;
}

export interface MachineOptions {
  kinds: Kinds;
  schema: Migration[];
  /** Entries are kept in `_log`: with one instance, where no stream has them. */
  keepLog: boolean;
  /** Called between any two steps; a test throws here, as a crash does. */
  step?: (name: string) => void;
}

/** A message of the log, read. */
export interface Decoded {
  bytes: Uint8Array;
  commands: Command[];
}
