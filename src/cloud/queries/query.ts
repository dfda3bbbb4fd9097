import { randomBytes } from 'node:crypto';
import type { QueryLine, QueryState } from '../../api/queries.ts';
import { CREDITS, QUERY_CREDITS } from '../../bus/frames.ts';
import { arrivalOrder, mergeOrder, type LineOrder, type OrderBy } from '../line-order.ts';

export interface QuerySpec {
  sql: string;
  /** Among whose queries it counts; nobody's where it is not given. */
  user?: string | undefined;
  /** Ids of satellites, without doubles. */
  satellites: string[];
  timeoutMs: number;
  /** From each satellite. */
  maxRows: number;
  /** The rows of all satellites in one order, and no more of them than `limit`. */
  merge?: { order: OrderBy[]; limit: number | undefined } | undefined;
  /** Of rows, from each satellite. */
  maxBytes: number;
}

/** Where a query's lines go. */
export interface QuerySink {
  /**
   * Resolves when the reader can take more; rejects when it is gone or the query's signal is aborted.
   * @param json the line as JSON, where there is such a text already; it begins with `{"q":` and has no line ends
   */
  write(line: QueryLine, json?: string): Promise<void>;
}

/** A satellite's part of a query. */
export interface Part {
  state: QueryState;
  nextSeq: number;
  rows: number;
  /** Batches that the satellite may still send. */
  credits: number;
  /** Credits to be given back, not yet sent. */
  owed: number;
  /** When it was sent credits last, or heard that there is a reader still. */
  grantedAt: number;
  lastHeard: number;
  /** Of a batch that has come in part, in their order. */
  pieces: string[];
  /** Milliseconds in which the satellite could work: it had credit. */
  worked: number;
}

/** A query under way. */
export interface Query {
  id: string;
  spec: QuerySpec;
  /** That each satellite has at first. */
  credits: number;
  parts: Map<string, Part>;
  lines: LineOrder;
  /** Tells the one that waits for lines, if there is one, to look again. */
  wake: () => void;
}

/** Returns a query of which nothing has been sent yet. @param began by the monotonic clock, in milliseconds */
export function newQuery(spec: QuerySpec, began: number): Query {
  const { satellites, merge } = spec;
  const credits = creditsEach(satellites.length);
  const part = (): Part => ({
    state: 'pending',
    nextSeq: 0,
    rows: 0,
    credits,
    owed: 0,
    grantedAt: began,
    lastHeard: began,
    pieces: [],
    worked: 0,
  });
  return {
    id: newId(),
    spec,
    credits,
    parts: new Map(satellites.map((sat) => [sat, part()])),
    lines: merge === undefined ? arrivalOrder() : mergeOrder(satellites, merge.order, merge.limit ?? Infinity),
    wake: () => undefined,
  };
}

/** Returns a name for a query or a ping that no other has. */
export const newId = (): string => randomBytes(12).toString('hex');

/** Rounds milliseconds to three decimals. */
export const microseconds = (ms: number): number => Math.round(ms * 1000) / 1000;

/** What is under way of one query is bounded, however many satellites it asks. */
const creditsEach = (satellites: number): number =>
  Math.max(1, Math.min(CREDITS, Math.floor(QUERY_CREDITS / satellites)));
