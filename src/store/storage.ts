import type { Store } from './database.ts';
import type { Meta } from './machine/types.ts';

/** A snapshot of the whole database, which was found sound, on disk for good. */
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

/** A database beside the current one. A crash loses it. */
export interface Prepared {
  db: Store;
  /**
   * Puts it in the place of the current one, which is put aside; both must be closed. A crash leaves the old one, or
   * `open` ends it.
   */
  adopt(): void;
  /** It must be closed. */
  abandon(): void;
}

/** Where the database and its snapshots lie: file-storage.ts; in memory for the property test. */
export interface Storage {
  /**
   * Opens the current database, an empty one where there is none; ends an `adopt` (below) that was interrupted.
   * `writer` is for the machine alone.
   * @throws Error where the file is no database, or cannot be opened now.
   */
  open(): { writer: Store; reader: Store };
  /** What has been committed is on disk for good when this returns. */
  sync(): void;
  /** Whether there is no database although there was one: snapshots of it, or one that was put aside, are there. */
  missing(): boolean;
  /** Puts the current database aside, where it can still be looked at; afterwards there is none. It must be closed. */
  setAside(): void;
  /** Puts a snapshot (its own, or a received one) in the place of the current database, which must be closed. */
  replace(by: Snapshot | 'received'): void;
  /**
   * For a restore: begins a database beside the current one, from a snapshot or empty, in the place of what an earlier
   * try has left. @throws Error where the snapshot is no database.
   */
  prepare(from: Snapshot | undefined): Prepared;
  /**
   * Copies the database while it is written to, and looks whether the copy is sound. Old ones go, the newest three
   * stay. @throws Error where there is none this time: nothing has changed then.
   */
  snapshot(writer: Store): Promise<Snapshot>;
  /** Newest first. */
  snapshots(): Snapshot[];
  /** Removes a snapshot. */
  drop(snapshot: Snapshot): void;
  /** A part of a snapshot; undefined where it is gone. */
  read(snapshot: Pick<Snapshot, 'epoch' | 'position'>, offset: number, length: number): Uint8Array | undefined;
  receive(snapshot: Snapshot): Receiver;
  /**
   * Checks the current database by a connection of its own, whose pages come from the file. @returns what is wrong with
   * it, one sentence each; and messages of its log that are not what was applied, by number. @throws Error where that
   * cannot be told.
   */
  verify(): Promise<{ problems: string[]; log: number[] }>;
  /**
   * What a restore may take a log from: the current database as it lies there or, where it is missing, the one that was
   * put aside. To read from; any statement may fail.
   */
  openDamaged(): Store | undefined;
}

export const KEEP_SNAPSHOTS = 3;
