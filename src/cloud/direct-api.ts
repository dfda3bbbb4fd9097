import { z } from 'zod';
import { QUERY_LIMITS } from '../bus/frames.ts';

/** Direct queries, as cloud, console and CLI share them. */

/** POST /api/v1/direct-queries: what is asked of which satellites; the SQL itself goes to them, and only to them. */
export const directQuerySchema = z.strictObject({
  sql: z.string().min(1).max(QUERY_LIMITS.sql),
  satellites: z.array(z.string().min(1).max(63)).min(1).max(1000),
  timeoutMs: z.int().min(100).max(QUERY_LIMITS.maxTimeoutMs).default(QUERY_LIMITS.timeoutMs),
  maxRows: z.int().min(1).max(QUERY_LIMITS.maxRows).default(QUERY_LIMITS.rows),
  maxBytes: z.int().min(1).max(QUERY_LIMITS.bytes).default(QUERY_LIMITS.bytes),
});
export type DirectQueryBody = z.input<typeof directQuerySchema>;

/**
 * POST the SQL as `{"sql": …}` to `url` with `Authorization: Bearer <token>`, within a minute and once; or why that
 * satellite is to be asked through the cloud.
 */
export const directGrantSchema = z.union([
  z.object({ sat: z.string(), url: z.string(), token: z.string() }),
  z.object({ sat: z.string(), reason: z.string() }),
]);
export type DirectGrant = z.infer<typeof directGrantSchema>;

export const directQueryReply = z.object({
  q: z.string(),
  /** ISO 8601. */
  expiresAt: z.iso.datetime(),
  satellites: z.array(directGrantSchema),
});
export type DirectQueryReply = z.infer<typeof directQueryReply>;

/** GET /api/v1/dns: what a resolver and a browser need for direct queries. */
export const dnsReply = z.object({
  zone: z.string(),
  /** Of every server, UDP and TCP. */
  port: z.int(),
  servers: z.array(z.object({ name: z.string(), address: z.string() })),
  /** Certificate (PEM) of the authority that browsers have to trust; null while no satellite has asked for one. */
  authority: z.string().nullable(),
  /** Names and addresses now, as lines of a hosts file. */
  hosts: z.array(z.string()),
});
export type DnsReply = z.infer<typeof dnsReply>;
