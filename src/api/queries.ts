import { z } from 'zod';
import { MAX_PING, QUERY_LIMITS, valueSchema } from '../bus/frames.ts';
import { tags } from '../store/fields.ts';
import type { Problem } from './problem.ts';

/** POST /api/v1/queries; the answer is `QueryLine`s, one JSON object a line (application/x-ndjson). */
export const querySchema = z.strictObject({
  sql: z.string().min(1).max(QUERY_LIMITS.sql),
  /** Ids of satellites; default: all that are known. */
  satellites: z.array(z.string().min(1).max(63)).min(1).max(1000).optional(),
  /** Of those, the ones that have all of these tags. */
  tags: tags.optional(),
  timeoutMs: z.int().min(100).max(QUERY_LIMITS.maxTimeoutMs).default(QUERY_LIMITS.timeoutMs),
  /** From each satellite. */
  maxRows: z.int().min(1).max(QUERY_LIMITS.maxRows).default(QUERY_LIMITS.rows),
  /** The rows of all satellites merged in this order; where equal, by the satellites' ids. */
  order: z
    .array(z.strictObject({ column: z.string().min(1).max(128), descending: z.boolean().default(false) }))
    .min(1)
    .max(8)
    .optional(),
  /** Of the rows of all satellites together, after `order`. */
  limit: z.int().min(1).max(QUERY_LIMITS.maxRows).optional(),
  /** Of rows, from each satellite; beyond the default only for who may operate. */
  maxBytes: z.int().min(1).max(QUERY_LIMITS.maxBytes).default(QUERY_LIMITS.bytes),
});
export type QueryBody = z.input<typeof querySchema>;

/** How a satellite's part of a query ended; at the end none is `pending`, and they sum to the number asked. */
export const queryStateSchema = z.enum(['pending', 'rows', 'empty', 'error', 'lost', 'denied']);
export type QueryState = z.infer<typeof queryStateSchema>;

const part = { q: z.string(), sat: z.string() };
export const queryLineSchema = z.union([
  z.object({
    ...part,
    seq: z.int(),
    columns: z.array(z.string()).exactOptional(),
    rows: z.array(z.array(valueSchema)),
  }),
  z.object({
    ...part,
    end: z.object({ rows: z.int(), ms: z.number(), truncated: z.enum(['rows', 'bytes']).exactOptional() }),
  }),
  z.object({ ...part, error: z.object({ code: z.string(), message: z.string() }) }),
  z.object({
    q: z.string(),
    done: z.literal(true),
    satellites: z.record(z.string(), queryStateSchema),
    rows: z.int(),
    ms: z.number(),
  }),
]);
export type QueryLine = z.infer<typeof queryLineSchema>;

/**
 * What a client says on the WebSocket `API_PATHS.queryStream`, as text, one JSON object a message: it starts a query
 * under a name of its own choice, free again after the query's last line, or cancels one. A ping is a few bytes to a
 * satellite, which come back.
 */
export const streamRequestSchema = z.union([
  z.strictObject({ id: z.string().min(1).max(64), query: z.unknown() }),
  z.strictObject({ id: z.string().min(1).max(64), cancel: z.literal(true) }),
  z.strictObject({
    id: z.string().min(1).max(64),
    ping: z.strictObject({ satellite: z.string().min(1).max(63), data: z.string().max(MAX_PING / 4) }),
  }),
]);
export type StreamRequest =
  | { id: string; query: QueryBody }
  | { id: string; cancel: true }
  | { id: string; ping: { satellite: string; data: string } };

/** `ms`: from this instance to the satellite and back. */
export interface Pong {
  id: string;
  pong: { satellite: string; data: string; ms: number };
}

/**
 * What the cloud says there: the lines of queries as over HTTP, each with its query's name; or why there is no query.
 */
export type StreamLine = ({ id: string } & QueryLine) | Pong | { id: string; problem: Problem };
