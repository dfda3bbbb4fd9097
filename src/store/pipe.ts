import type { Snapshot } from './storage.ts';

/**
 * The stream of one epoch. Messages are counted on through epochs: the stream's n-th is number `base` + n. A message
 * has one or more entries, each of which has a position of its own.
 */
export interface LogInfo {
  epoch: number;
  base: number;
  /** The hash chain at `base`: who is there with another chain belongs to another history. */
  chain: string;
  /** Oldest message that can still be read; `last` + 1 where the stream is empty. */
  first: number;
  last: number;
  replicas: number;
}

/** Why a message was not acknowledged. `full`: the stream takes no more; else it may have been stored or not. */
export class NotLogged extends Error {
  override name = 'NotLogged';
  readonly full: boolean;
  constructor(message: string, full: boolean, cause?: unknown) {
    super(message, { cause });
    this.full = full;
  }
}

/** What a look at the stream on disk has found, one sentence each. */
export interface Inspection {
  /** Not as it was written. */
  damaged: string[];
  /** As it was written, but not what was applied here: stream or database, it does not say which is wrong. */
  differing: string[];
}

/** What carries messages in one order to all instances: src/bus/stream.ts; in memory for the property test. */
export interface Pipe {
  /** The stream with the highest epoch; undefined where there is none. @throws where the bus cannot tell. */
  newest(): Promise<LogInfo | undefined>;
  /** Makes a stream, also where just that one is there already. @throws where there is another one of this epoch. */
  create(log: Pick<LogInfo, 'epoch' | 'base' | 'chain' | 'replicas'>): Promise<void>;
  /** Removes the streams of this epoch and earlier ones. */
  remove(epoch: number): Promise<void>;
  /**
   * Resolves once a quorum has the message on disk.
   * @returns its number.
   * @throws NotLogged.
   */
  publish(log: LogInfo, message: Uint8Array): Promise<number>;
  /** Delivers the messages from `from` on, in order, without gaps. `ended` where it cannot go on. */
  consume(
    log: LogInfo,
    from: number,
    deliver: (message: number, bytes: Uint8Array) => void,
    ended: () => void,
  ): Promise<{ stop(): void }>;
  /** Drops messages below a number. */
  purge(log: LogInfo, below: number): Promise<void>;
  setReplicas(log: LogInfo, replicas: number): Promise<void>;
  /**
   * Reads this instance's own copy of the stream from its disk.
   * @param hashes sha256 (hexadecimal) of messages that were applied, by number.
   */
  inspect(log: LogInfo, hashes: (from: number, to: number) => Map<number, string>): Promise<Inspection>;
}

/**
 * What instances say to each other every 5 s, JSON on `store.announce`.
 * `message` (the last applied) and `chain` are compared; `differs` names those whose chain the sender has found to be
 * another one.
 */
export interface Announcement {
  v: 1;
  from: string;
  epoch: number;
  message: number;
  position: number;
  chain: string;
  /** Newest schema that the sender's release supports, and the active one. */
  supports: number;
  schema: number;
  /** Last message in its newest snapshot; -1 for none. */
  snapshot: number;
  /** Whether it applies: `ready` or `catching-up`. */
  applying: boolean;
  differs: string[];
}

/**
 * Questions of one instance to another, JSON as a request on `store.ask.<instance>`:
 *
 * | question | answer |
 * | --- | --- |
 * | `freeze`: apply nothing of this epoch or earlier ones any more | JSON `Frozen` |
 * | `snapshot`: which one is there, of `epoch` at least and not below `message` | JSON `Snapshot`; empty for none |
 * | `chunk`: a part of that snapshot's file | the bytes; empty where the snapshot is gone |
 *
 * A snapshot is transferred by asking for its chunks in order, `WINDOW` of `CHUNK` bytes at a time: each question is
 * the credit for one chunk and acknowledges those before. The sender keeps nothing in memory. Where it has dropped the
 * snapshot meanwhile, or 30 s pass without a chunk, the transfer begins anew.
 */
export type Question =
  | { v: 1; ask: 'freeze'; epoch: number }
  | { v: 1; ask: 'snapshot'; epoch: number; message: number }
  | { v: 1; ask: 'chunk'; epoch: number; position: number; offset: number; length: number };

export interface Frozen {
  epoch: number;
  message: number;
  chain: string;
  /** Whether its database is sound, as far as it knows. */
  fit: boolean;
}

export type SnapshotAnswer = Snapshot;

/** The other instances: src/bus/instances.ts; in memory for the property test. */
export interface Peers {
  announce(announcement: Announcement): void;
  onAnnouncement(heard: (announcement: Announcement) => void): void;
  /** @throws where there is no answer within `ms`. */
  ask(instance: string, question: Question, ms: number): Promise<Uint8Array>;
  onQuestion(answer: (question: Question) => Promise<Uint8Array>): void;
  stop(): void;
}
