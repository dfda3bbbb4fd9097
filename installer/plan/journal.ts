import type { FailureData } from '../../src/errors.ts';
import { openLines, readLines } from './lines.ts';
import type { LeafState } from './types.ts';

/**
 * What happened to which leaf, kept by the coordinator and by every executor on its own disk; each line is fsynced
 * before anything follows from it. It tells people and `operation status` how far things got; whether a leaf is done
 * is asked of the machine. Inputs are never written to it: they may hold secrets.
 */
export interface JournalRecord {
  at: string;
  leaf: string;
  state: LeafState;
  /** How long it took, milliseconds. */
  ms?: number;
  skipped?: boolean;
  error?: FailureData;
}

export interface Journal {
  record(entry: Omit<JournalRecord, 'at'>): void;
  close(): void;
}

export function openJournal(path: string, now: () => Date = () => new Date()): Journal {
  const lines = openLines(path);
  return {
    record: (entry) => lines.append({ at: now().toISOString(), ...entry } satisfies JournalRecord, { sync: true }),
    close: () => lines.close(),
  };
}

/** The last record of each leaf. */
export function readJournal(path: string): Map<string, JournalRecord> {
  return new Map(readLines<JournalRecord>(path).map((r) => [r.leaf, r]));
}
