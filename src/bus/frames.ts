import { z } from 'zod';
import { directKey, type DirectAnswer, type DirectAsk } from './direct.ts';
import type { RenewalAnswer, RenewalAsk } from './renewal.ts';

/**
 * The messages on the bus: JSON in UTF-8, one object a message.
 *
 * A query: the cloud publishes `QueryRequest` on `satellite.<sat>.query` with the reply subject
 * `reply.<instance>.<query>.<sat>`.
 * The satellite publishes frames there:
 * - at once `{q, sat, alive: true}`, and again every second until its last frame (also while it waits for credit or for
 *   SQL);
 * - batches `{q, sat, seq, columns?, rows}`, seq counting from 0, `columns` in the first one (which may have no rows);
 *   each costs one credit; without credit the satellite stops stepping through the result;
 * - a batch whose JSON has more than `PART_CHARS` characters (a row is never divided between batches) as `{q, sat, seq,
 *   part, of, text}`, part counting from 0: the texts in a row are the batch. It costs `of` credits, and may be sent
 *   when there is one;
 * - the last one: `{q, sat, seq, end}` or `{q, sat, seq, error}`, its seq following the last batch's; it costs no
 *   credit.
 * A ping is a message on `satellite.<sat>.ping` whose content comes back as it is on its reply subject, of the same
 * form.
 * The cloud grants credits by `Credit` on `satellite.<sat>.credit`, of which one of 0 says that there is a reader who
 * has yet to come to what was sent (of one order over all satellites it takes others' rows first), and ends a query by
 * `Cancel` on `satellite.<sat>.cancel`.
 */

/** A batch is sent when it reaches any of these (bytes of JSON, rows, milliseconds since its first row). */
export const BATCH = { bytes: 64 * 1024, rows: 500, ms: 50 } as const;
/** UTF-16 units of one part of a batch: below 1 MiB as a message, whatever the characters. */
export const PART_CHARS = 128 * 1024;
/**
 * A row may be as long, as JSON: room for a value of 1 MiB, which is the most that there is, as a blob in base64, and
 * for more beside it.
 */
export const MAX_ROW_BYTES = 4 * 1024 * 1024;
/** Besides a row a batch holds smaller ones, and the names of its columns. */
export const MAX_BATCH_BYTES = MAX_ROW_BYTES + 1024 * 1024;
/** What a batch costs. @param frame as JSON */
export const creditsOf = (frame: string): number => Math.max(1, Math.ceil(frame.length / PART_CHARS));

/** Batches in flight from one satellite to one query, at most; and from all that it asks: each has one all the same. */
export const CREDITS = 16;
export const QUERY_CREDITS = 256;
/** Credits are given back in groups of so many, or of as many as a satellite has, to save messages. */
export const CREDIT_GROUP = 4;
/** Between a satellite's `alive` frames. */
export const ALIVE_MS = 1_000;
/** Silence after which the cloud calls a satellite lost for a query. */
export const LOST_MS = 3_500;
/** Bytes that a ping may carry. */
export const MAX_PING = 1024;
/** Waiting without a `Credit` for longer than this ends a query at the satellite (error `query.idle-reader`). */
export const IDLE_READER_MS = 30_000;
/** Between two `Credit`s for a satellite that waits. */
export const STILL_READ_MS = 10_000;
/** Between heartbeats; and the silence after which a satellite is degraded, then unreachable. */
export const HEARTBEAT_MS = 5_000;
export const DEGRADED_MS = 15_000;
export const UNREACHABLE_MS = 30_000;
/** Bytes of SQL, milliseconds, rows, bytes of rows; `max…` is the most that may be asked for. */
export const QUERY_LIMITS = {
  sql: 64 * 1024,
  timeoutMs: 10_000,
  maxTimeoutMs: 60_000,
  rows: 10_000,
  maxRows: 1_000_000,
  bytes: 64 * 1024 * 1024,
  maxBytes: 1024 * 1024 * 1024,
} as const;

const NODE_NAME = /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/;
const MAX_NODE_NAME = 63;
const QUERY_ID = /^[A-Za-z0-9]{8,40}$/;
const nodeName = z.string().regex(NODE_NAME).max(MAX_NODE_NAME);
const queryId = z.string().regex(QUERY_ID);

/** SQLite's values; a blob travels as `{blob: base64}`, an integer beyond 2^53 as its decimal text. */
export const valueSchema = z.union([z.null(), z.number(), z.string(), z.strictObject({ blob: z.base64() })]);
export type Value = z.infer<typeof valueSchema>;

export const queryRequestSchema = z.object({
  q: queryId,
  sql: z.string().min(1),
  /** Milliseconds the SQL may execute, waiting for credit not counted. */
  timeoutMs: z.int().positive(),
  maxRows: z.int().positive(),
  maxBytes: z.int().positive(),
  /** Batches that may be sent before the first `Credit`. */
  credits: z.int().positive(),
});
export type QueryRequest = z.infer<typeof queryRequestSchema>;

export const creditSchema = z.object({ q: queryId, credits: z.int().nonnegative() });
export type Credit = z.infer<typeof creditSchema>;

export const cancelSchema = z.object({ q: queryId });
export type Cancel = z.infer<typeof cancelSchema>;

const common = { q: queryId, sat: nodeName };

export const aliveFrameSchema = z.object({ ...common, alive: z.literal(true) });
export const batchFrameSchema = z.object({
  ...common,
  seq: z.int().nonnegative(),
  columns: z.array(z.string()).optional(),
  rows: z.array(z.array(valueSchema)),
});
export const partFrameSchema = z.object({
  ...common,
  seq: z.int().nonnegative(),
  part: z.int().nonnegative(),
  of: z
    .int()
    .min(2)
    .max(Math.ceil(MAX_BATCH_BYTES / PART_CHARS)),
  text: z.string().min(1).max(PART_CHARS),
});
export const endFrameSchema = z.object({
  ...common,
  seq: z.int().nonnegative(),
  end: z.object({
    rows: z.int().nonnegative(),
    /** Milliseconds from the request's arrival to the last row. */
    ms: z.number().nonnegative(),
    /** Which limit cut the result short. */
    truncated: z.enum(['rows', 'bytes']).optional(),
  }),
});
export const errorFrameSchema = z.object({
  ...common,
  seq: z.int().nonnegative(),
  /**
   * `code` such as `query.syntax`, `query.timeout`, `query.denied`, `query.busy`, `query.idle-reader`,
   * `query.internal`.
   */
  error: z.object({ code: z.string(), message: z.string() }),
});

export const frameSchema = z.union([
  aliveFrameSchema,
  batchFrameSchema,
  partFrameSchema,
  endFrameSchema,
  errorFrameSchema,
]);
export type AliveFrame = z.infer<typeof aliveFrameSchema>;
export type BatchFrame = z.infer<typeof batchFrameSchema>;
export type PartFrame = z.infer<typeof partFrameSchema>;
export type EndFrame = z.infer<typeof endFrameSchema>;
export type ErrorFrame = z.infer<typeof errorFrameSchema>;
export type Frame = z.infer<typeof frameSchema>;

/** The last time that a Date can be, milliseconds since 1970: of a later one there is no text. */
const LAST_DATE_MS = 8_640_000_000_000_000;

export const heartbeatSchema = z.object({
  id: nodeName,
  node: nodeName,
  version: z.string().max(64),
  addresses: z.array(z.string().max(64)).max(64),
  tables: z.array(z.object({ name: z.string().max(128), columns: z.array(z.string().max(128)).max(256) })).max(256),
  /** The three load averages of the machine. */
  load: z.tuple([z.number(), z.number(), z.number()]),
  /** ISO 8601, when the satellite's process started. */
  startedAt: z.iso.datetime(),
  /** Port of its own HTTPS endpoint, while it answers there. */
  directPort: z.int().min(1).max(65_535).optional(),
  /** When the certificate ends by which it comes to the bus, milliseconds since 1970. */
  certificateEnds: z.int().nonnegative().max(LAST_DATE_MS).optional(),
});
export type Heartbeat = z.infer<typeof heartbeatSchema>;

/** What a cloud instance tells the others every two seconds on `cloud.<instance>`. */
export const announcementSchema = z.object({
  name: nodeName,
  node: nodeName,
  version: z.string().max(64),
  startedAt: z.iso.datetime(),
  ready: z.boolean(),
  /** Why it is not ready. */
  reason: z.string().optional(),
  /** What is well now and may soon not be. */
  warning: z.string().optional(),
  /** By which this instance signs tokens of direct queries: a raw Ed25519 public key, base64url. */
  directKey: directKey.optional(),
  nats: z.object({
    /** `single` without a cluster; else its part in JetStream's meta group, `none` while there is no leader. */
    role: z.enum(['single', 'leader', 'follower', 'none']),
    /** Servers it has routes to. */
    peers: z.array(z.string()),
    version: z.string(),
  }),
});
export type Announcement = z.infer<typeof announcementSchema>;

/** Encodes a message for the bus. */
export function encode(
  message:
    | QueryRequest
    | Credit
    | Cancel
    | Frame
    | Heartbeat
    | Announcement
    | DirectAsk
    | DirectAnswer
    | RenewalAsk
    | RenewalAnswer,
): string {
  return JSON.stringify(message);
}

/** The messages of one batch: itself, or its parts. @param frame as JSON */
export function messagesOf(frame: string, { q, sat, seq }: Pick<BatchFrame, 'q' | 'sat' | 'seq'>): string[] {
  const of = creditsOf(frame);
  if (of === 1) {
    return [frame];
  }
  return Array.from({ length: of }, (_, part) =>
    encode({ q, sat, seq, part, of, text: frame.slice(part * PART_CHARS, (part + 1) * PART_CHARS) }),
  );
}

const BATCH_KEYS = new Set(['q', 'sat', 'seq', 'columns', 'rows']);

function isValue(value: unknown): boolean {
  if (typeof value === 'string' || value === null) {
    return true;
  }
  if (typeof value === 'number') {
    return Number.isFinite(value);
  }
  return valueSchema.safeParse(value).success;
}

/**
 * Whether something that was JSON is a batch and nothing else: what `batchFrameSchema` says too, in a fifth of the time
 * where rows are of small values. All rows of all satellites come by here.
 */
export function isBatch(value: object): value is BatchFrame {
  if (!Object.keys(value).every((key) => BATCH_KEYS.has(key))) {
    return false;
  }
  const { q, sat, seq, columns, rows } = value as Record<string, unknown>;
  return (
    typeof q === 'string' &&
    QUERY_ID.test(q) &&
    typeof sat === 'string' &&
    sat.length <= MAX_NODE_NAME &&
    NODE_NAME.test(sat) &&
    Number.isSafeInteger(seq) &&
    (seq as number) >= 0 &&
    (columns === undefined || (Array.isArray(columns) && columns.every((c) => typeof c === 'string'))) &&
    Array.isArray(rows) &&
    rows.every((row) => Array.isArray(row) && row.every(isValue))
  );
}

/**
 * Decodes a frame. `text`: a batch as it came, where it is one line, begins with its query and holds nothing but a
 * batch: it may be passed on as it is, which spares writing 64 KiB of JSON anew.
 */
export function decodeFrame(data: string): { frame: Frame; text?: string } | undefined {
  try {
    const value = JSON.parse(data) as object;
    if (isBatch(value)) {
      return {
        frame: value,
        ...(data.startsWith('{"q":') && !data.includes('\n') && !data.includes('\r') ? { text: data } : {}),
      };
    }
    const parsed = frameSchema.safeParse(value);
    return parsed.success ? { frame: parsed.data } : undefined;
  } catch {
    return undefined;
  }
}

/** Decodes and checks a message; undefined for one that is not valid (never throws: others write on the bus too). */
export function decode<T>(schema: z.ZodType<T>, data: string): T | undefined {
  try {
    const parsed = schema.safeParse(JSON.parse(data));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}
