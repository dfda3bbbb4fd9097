import type { Store } from './database.ts';
import type { Meta } from './machine.ts';

/** A snapshot of the whole database, checked by SQLite and on disk for good. */
export interface Snapshot extends Meta {
  bytes: number;
  /** Of the file, hexadecimal. */
  sha256: string;
}

/** A snapshot that is being received from another instance. */
export interface Receiver {
  /** Chunks come in order. */
  write(chunk: Uint8Array): void;
  /** @throws Error where the bytes are not the announced ones or SQLite finds fault with them. */
  finish(): Promise<void>;
  abort(): void;
}

/** Where the database and its snapshots lie: file-storage.ts; in memory for the property test. */
export interface Storage {
  /** Opens the current database, an empty one where there is none. `writer` is for the machine alone. @throws Error where the file is no database. */
  open(): { writer: Store; reader: Store };
  /** What has been committed is on disk for good when this returns. */
  sync(): void;
  /** Puts the current database aside, where it can still be looked at; afterwards there is none. It must be closed. */
  setAside(): void;
  /** Puts a snapshot (its own, or a received one) in the place of the current database, which must be closed. */
  replace(by: Snapshot | 'received'): void;
  /** Copies the database while it is written to. Old ones go, the newest three stay. */
  snapshot(writer: Store): Promise<Snapshot>;
  /** Newest first. */
  snapshots(): Snapshot[];
  /** A part of a snapshot; undefined where it is gone. */
  read(snapshot: Pick<Snapshot, 'epoch' | 'position'>, offset: number, length: number): Uint8Array | undefined;
  receive(snapshot: Snapshot): Receiver;
  /** Checks the current database by a connection of its own, whose pages come from the file. @returns what is wrong with it, one sentence each; and messages of its log that are not what was applied, by number. */
  verify(): Promise<{ problems: string[]; log: number[] }>;
  /** The database that was put aside last, to read from; undefined where it cannot be opened. */
  openAside(): Store | undefined;
}

export const KEEP_SNAPSHOTS = 3;
