import { z } from 'zod';
import { resourceId, tags, title } from '../store/fields.ts';
import { KEEP_ROWS, MAX_INTERVAL_MS, MIN_INTERVAL_MS } from '../store/schedule-limits.ts';
import { querySchema } from './queries.ts';
import { timestampShape, versionShape } from './shapes.ts';

/** `lost`: the instance that ran it went away. */
export const runStateSchema = z.enum(['running', 'done', 'partial', 'failed', 'lost']);
export const scheduleRunSchema = z.object({
  schedule: z.string(),
  number: z.int().positive(),
  state: runStateSchema,
  /** A sentence, for what is not well. */
  reason: z.string(),
  /** `again`: in the place of one that was lost; `asked`: by `actor`, out of its time. */
  cause: z.enum(['due', 'again', 'asked']),
  actor: z.string(),
  /** The instance that ran it. */
  runner: z.string(),
  dueAt: timestampShape,
  begunAt: timestampShape,
  endedAt: timestampShape.nullable(),
  /** Satellites by how their part ended; they sum to the number asked. */
  counts: z.record(z.string(), z.int()),
  /** The first of those that failed; all of them are among the run's lines. */
  failures: z.array(z.object({ satellite: z.string(), state: z.string(), message: z.string() })),
  /** Rows that came, and bytes of them as JSON. */
  rows: z.int(),
  bytes: z.int(),
  /**
   * Rows that are kept; fewer because of a limit of `rows` or `bytes`, of the `rate` of all schedules, or `dropped` for
   * newer ones.
   */
  kept: z.int(),
  cut: z.enum(['', 'rows', 'bytes', 'rate', 'dropped']),
});
export type ScheduleRun = z.infer<typeof scheduleRunSchema>;

export const scheduleSchema = z.object({
  id: z.string(),
  owner: z.string(),
  name: z.string(),
  /** Of its own, or the id of a saved query, as that is when it runs. */
  sql: z.string().nullable(),
  query: z.string().nullable(),
  satellites: z.array(z.string()).nullable(),
  tags: z.record(z.string(), z.string()),
  everySeconds: z.int(),
  timeoutMs: z.int(),
  maxRows: z.int(),
  /** `stopped`: by the cloud, for `reason`. */
  state: z.enum(['enabled', 'paused', 'stopped']),
  reason: z.string(),
  createdAt: timestampShape,
  updatedAt: timestampShape,
  /** Null while it is not enabled. */
  nextAt: timestampShape.nullable(),
  last: scheduleRunSchema.nullable(),
  /**
   * Runs by how they ended; `skipped`: times that passed while a run was under way; `missed`: those that a late run
   * stands for.
   */
  counts: z.object({
    done: z.int(),
    partial: z.int(),
    failed: z.int(),
    lost: z.int(),
    skipped: z.int(),
    missed: z.int(),
  }),
  version: versionShape,
});
export type Schedule = z.infer<typeof scheduleSchema>;
export const scheduleBody = z.strictObject({
  name: title,
  /** One of sql and query. */
  sql: querySchema.shape.sql.optional(),
  query: resourceId.optional(),
  satellites: querySchema.shape.satellites,
  tags: tags.optional(),
  everySeconds: z
    .int()
    .min(MIN_INTERVAL_MS / 1000)
    .max(MAX_INTERVAL_MS / 1000),
  timeoutMs: querySchema.shape.timeoutMs,
  /** From each satellite. */
  maxRows: z.int().min(1).max(KEEP_ROWS).default(1_000),
  paused: z.boolean().default(false),
  expect: versionShape.optional(),
});
export type ScheduleBody = z.input<typeof scheduleBody>;
export const scheduleChangeBody = z.strictObject({ paused: z.boolean(), expect: versionShape.optional() });
export const runParams = z.strictObject({
  id: resourceId,
  number: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER),
});
