import { z } from 'zod';
import { MAX_PING, QUERY_LIMITS, valueSchema } from '../bus/frames.ts';
import { access, details, resourceId, role, tags, title, userName } from '../store/fields.ts';
import { KEEP_ROWS, MAX_INTERVAL_MS, MIN_INTERVAL_MS } from '../store/schedule-limits.ts';

export { API_PATHS, CLIENT_HEADER, COMMAND_HEADER, MIN_SEQ_HEADER, SEQ_HEADER, SESSION_COOKIE } from './api-paths.ts';

/**
 * The cloud's HTTP API as cloud, CLI and console share it; what each route takes and gives is in routes/, and all of it
 * at /api/v1/openapi.json.
 *
 * Credentials: `Authorization: Bearer <session token or API token>`, or the cookie of a login; a request by cookie that
 * is not a
 * GET must carry the header `X-Terrarium-Client` with any value, which no foreign page can send. Errors are `Problem`.
 * Times are ISO 8601. Lists are `{items, next}`; `next` is the cursor of the next page, null at the end. Versions are
 * positions of the state.
 */

const time = z.iso.datetime();
const version = z.int().nonnegative();

/**
 * What a caller may do. A user's role has some of them, an API token those that it was given, as far as its owner's
 * role has them too.
 */
export const SCOPES = ['read', 'query', 'operate', 'admin', 'metrics'] as const;
export const scopeSchema = z.enum(SCOPES);
export type Scope = z.infer<typeof scopeSchema>;

export const roleSchema = role;
export type Role = z.infer<typeof roleSchema>;

/** At least 12 characters, as NIST SP 800-63B and ASVS want; no rules about which. */
export const newPassword = z.string().min(12).max(1024);

/** POST /api/v1/login */
export const loginSchema = z.strictObject({ user: z.string().min(1).max(64), password: z.string().min(1).max(1024) });
export type LoginRequest = z.infer<typeof loginSchema>;

/**
 * `required`: nothing else is answered before. `offered`: it was made up and printed, by the install or `user
 * reset-password`.
 */
export const passwordChangeSchema = z.enum(['none', 'offered', 'required']);
export type PasswordChange = z.infer<typeof passwordChangeSchema>;

export const loginReply = z.object({ token: z.string(), expiresAt: time, passwordChange: passwordChangeSchema });
export type LoginReply = z.infer<typeof loginReply>;

/** GET /api/v1/session: who the caller is; null where not logged in. */
export const sessionReply = z.object({
  user: z.string().nullable(),
  role: roleSchema.optional(),
  scopes: z.array(scopeSchema).optional(),
  passwordChange: passwordChangeSchema.optional(),
});
export type SessionReply = z.infer<typeof sessionReply>;

export const passwordSchema = z.strictObject({ current: z.string().min(1).max(1024), password: newPassword });

export const userSchema = z.object({
  name: z.string(),
  role: roleSchema,
  disabled: z.boolean(),
  mustChangePassword: z.boolean(),
  createdAt: time,
  passwordAt: time,
  version,
});
export type User = z.infer<typeof userSchema>;
export const userCreateSchema = z.strictObject({
  name: userName,
  role: roleSchema,
  password: newPassword,
  mustChangePassword: z.boolean().default(true),
});
export const userChangeSchema = z.strictObject({
  role: roleSchema.optional(),
  disabled: z.boolean().optional(),
  password: newPassword.optional(),
  expect: version.optional(),
});

export const tokenSchema = z.object({
  id: z.string(),
  owner: z.string(),
  name: z.string(),
  scopes: z.array(scopeSchema),
  createdAt: time,
  expiresAt: time,
  version,
});
export type Token = z.infer<typeof tokenSchema>;
export const MAX_TOKEN_DAYS = 365;
export const tokenCreateSchema = z.strictObject({
  name: title,
  scopes: z.array(scopeSchema).min(1).max(SCOPES.length),
  days: z.int().min(1).max(MAX_TOKEN_DAYS).default(90),
});
export const tokenReply = tokenSchema.extend({ token: z.string() });

export const sessionSchema = z.object({
  id: z.string(),
  user: z.string(),
  address: z.string(),
  createdAt: time,
  expiresAt: time,
  current: z.boolean(),
});
export type SessionInfo = z.infer<typeof sessionSchema>;

export const savedQuerySchema = z.object({
  id: z.string(),
  owner: z.string(),
  name: z.string(),
  sql: z.string(),
  details: z.record(z.string(), z.json()),
  updatedAt: time,
  version,
});
export type SavedQuery = z.infer<typeof savedQuerySchema>;
export const savedQueryBody = z.strictObject({
  name: title,
  sql: z
    .string()
    .min(1)
    .max(64 * 1024),
  details: details.default({}),
  expect: version.optional(),
});

export const auditSchema = z.object({
  seq: version,
  id: z.string(),
  at: time,
  actor: z.string(),
  kind: z.string(),
  /** `ok`, or why it was refused. */
  outcome: z.string(),
  changes: z.array(z.object({ resource: z.string(), before: z.json(), after: z.json() })),
});
export type AuditEntry = z.infer<typeof auditSchema>;

/** Keys of things in a path. */
export const userParams = z.strictObject({ name: userName });
export const idParams = z.strictObject({ id: resourceId });

/** `?limit=&cursor=` of every list. */
export const pageQuery = {
  limit: z.coerce.number().int().min(1).max(500).default(100),
  cursor: z.string().min(1).max(400).optional(),
};
export const listQuery = z.strictObject(pageQuery);
/** `?expect=` of a deletion. */
export const expectQuery = z.strictObject({ expect: z.coerce.number().int().nonnegative().optional() });

export interface Page<T> {
  items: T[];
  next: string | null;
}
export function pageOf<T>(item: z.ZodType<T>): z.ZodType<Page<T>> {
  return z.object({ items: z.array(item), next: z.string().nullable() });
}

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
  dueAt: time,
  begunAt: time,
  endedAt: time.nullable(),
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
  createdAt: time,
  updatedAt: time,
  /** Null while it is not enabled. */
  nextAt: time.nullable(),
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
  version,
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
  expect: version.optional(),
});
export type ScheduleBody = z.input<typeof scheduleBody>;
export const scheduleChangeBody = z.strictObject({ paused: z.boolean(), expect: version.optional() });
export const runParams = z.strictObject({
  id: resourceId,
  number: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER),
});

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

/** Of a vendor, as far as it is deployed. */
export const applicationSchema = z.object({
  name: z.string(),
  /** `http://HOST:PORT`, `https://HOST:PORT` or `HOST:PORT`, of the nodes that it runs on. */
  addresses: z.array(z.string()),
});
export type ApplicationInfo = z.infer<typeof applicationSchema>;

export const nodeSchema = z.object({
  name: z.string(),
  address: z.string(),
  role: z.enum(['control-plane', 'worker']),
  ready: z.boolean(),
  /** Why it is not ready, in a sentence. */
  reason: z.string().exactOptional(),
  version: z.string(),
  /** ISO 8601. */
  createdAt: z.string(),
});
export type NodeInfo = z.infer<typeof nodeSchema>;

export const podSchema = z.object({
  namespace: z.string(),
  name: z.string(),
  node: z.string(),
  phase: z.string(),
  ready: z.boolean(),
  hostNetwork: z.boolean(),
  restarts: z.int(),
  /** Ports of its node that it takes, where it names any. */
  hostPorts: z.array(z.int()).exactOptional(),
  /** Why it is not ready. */
  reason: z.string().exactOptional(),
});
export type PodInfo = z.infer<typeof podSchema>;

export const cloudSchema = z.object({
  name: z.string(),
  node: z.string(),
  ready: z.boolean(),
  /** `unreachable`: not heard of for 6 s. */
  state: z.enum(['healthy', 'not-ready', 'unreachable']),
  reason: z.string().exactOptional(),
  /** What is well now and may soon not be, a sentence. */
  warning: z.string().exactOptional(),
  version: z.string(),
  nats: z.object({
    role: z.enum(['single', 'leader', 'follower', 'none']),
    peers: z.array(z.string()),
    version: z.string(),
  }),
  lastSeen: time,
});
export type CloudInfo = z.infer<typeof cloudSchema>;

/** `enrolled`: never heard since. */
export const satelliteStateSchema = z.enum(['enrolled', 'healthy', 'degraded', 'unreachable', 'revoked']);
export type SatelliteState = z.infer<typeof satelliteStateSchema>;

export const satelliteSchema = z.object({
  id: z.string(),
  node: z.string(),
  state: satelliteStateSchema,
  /** As given at its enrolment, or since; by default its id. */
  name: z.string(),
  tags: z.record(z.string(), z.string()),
  /** How it is asked: `cloud`, through the cloud only; `direct`, by browsers only; or `both`. */
  access,
  /** Its version in the state, for `expect`; 0 while nothing of it is there. */
  revision: version,
  version: z.string(),
  addresses: z.array(z.string()),
  tables: z.array(z.object({ name: z.string(), columns: z.array(z.string()) })),
  load: z.tuple([z.number(), z.number(), z.number()]),
  startedAt: time,
  firstSeen: time,
  lastSeen: time,
  /** When the certificate ends by which it comes to the bus, as far as is known. */
  certificateEnds: time.exactOptional(),
  /** Why it is not let in, and what to do, where that is known. */
  reason: z.string().exactOptional(),
});
export type SatelliteInfo = z.infer<typeof satelliteSchema>;
export const satelliteChangeBody = z.strictObject({
  name: title.optional(),
  tags: tags.optional(),
  access: access.optional(),
  expect: version.optional(),
});
export const satelliteRevokeQuery = z.strictObject({ reason: z.string().max(300).optional() });

/** A change of a satellite's state: when, by whom, and why. */
export const satelliteHistorySchema = z.object({
  seq: version,
  at: time,
  state: satelliteStateSchema,
  actor: z.string(),
  reason: z.string(),
});
export type SatelliteChange = z.infer<typeof satelliteHistorySchema>;

/** Satellites as `n1,n2`: of a query, whose length is bounded. */
export const MOST_IDS = 100;
const someIds = z
  .string()
  .max(7000)
  .regex(new RegExp(`^[a-z0-9.-]{1,63}(,[a-z0-9.-]{1,63}){0,${MOST_IDS - 1}}$`));

/** `?ids=&text=&state=&tags=&sort=` of the satellites' list, beside `limit` and `cursor`. */
export const satelliteListQuery = z.strictObject({
  ...pageQuery,
  /** `n1,n2`: only these. */
  ids: someIds.optional(),
  /** Words, each of which is in its id, name, node, state, version, one of its addresses, or its tags. */
  text: z.string().max(200).optional(),
  /** `degraded,unreachable`: in one of these states. */
  state: z
    .string()
    .regex(new RegExp(`^(${satelliteStateSchema.options.join('|')})(,(${satelliteStateSchema.options.join('|')}))*$`))
    .optional(),
  /** `name=value,name=value`: with all of these tags. */
  tags: z
    .string()
    .max(2000)
    .regex(/^[^=,]+=[^,]*(,[^=,]+=[^,]*)*$/)
    .optional(),
  /** `state`: the worst first; `load`: the highest; `lastSeen`: the longest silent. */
  sort: z.enum(['id', 'state', 'load', 'lastSeen']).default('id'),
  /** `none`: each one's tables are left empty; they are most of what a list weighs. */
  tables: z.enum(['all', 'none']).default('all'),
});
export const satellitePageSchema = z.object({
  items: z.array(satelliteSchema),
  next: z.string().nullable(),
  /** Of all pages. */ matched: z.int(),
});
export type SatellitePage = z.infer<typeof satellitePageSchema>;

/** A table as satellites of some releases have it: all columns that any of them has, and how many have the table. */
export const fleetTableSchema = z.object({ name: z.string(), columns: z.array(z.string()), on: z.int() });
export type FleetTable = z.infer<typeof fleetTableSchema>;
/** `?satellites=n1,n2`: of these; of all that are heard without. */
export const fleetTablesQuery = z.strictObject({ satellites: someIds.optional() });

const satelliteBriefSchema = satelliteSchema.pick({ id: true, name: true, node: true, state: true, lastSeen: true });
export type SatelliteBrief = z.infer<typeof satelliteBriefSchema>;
/** The satellites in a few words, however many there are; all of them are at /api/v1/satellites. */
export const fleetSummarySchema = z.object({
  /** Of the answering instance: grows with every change but of a heartbeat's time and load. */
  version: z.int(),
  counts: z.record(satelliteStateSchema, z.int()),
  /** The worst of those that have been heard and are not healthy: at most 100, the worst first. */
  concerns: z.array(satelliteBriefSchema),
  /** Nodes of the cluster of which no satellite is known. */
  missing: z.array(z.string()),
});
export type FleetSummary = z.infer<typeof fleetSummarySchema>;

/** A satellite's heartbeat, as a watch tells it of those that it follows. */
export type Beat = Pick<SatelliteInfo, 'id' | 'lastSeen' | 'load'>;
/** An event `fleet` of a watch: at most one a second. */
export interface FleetLine {
  /** As in the overview. */
  version: number;
  /** As a list shows them, without tables: new, or changed in more than a heartbeat's time and load. */
  items: SatelliteInfo[];
  gone: string[];
  beats: Beat[];
  /** More have changed than are told one by one: read anew what you show. */
  many: boolean;
}
/** `?follow=n1,n2`: whose heartbeats an event `fleet` has. */
export const followSchema = someIds;

/**
 * GET /api/v1/overview; GET /api/v1/watch sends the same as server-sent events `overview`, at once and on each change,
 * at most one a second.
 */
export const overviewSchema = z.object({
  cluster: z.object({ id: z.string(), name: z.string(), version: z.string() }),
  /** The instance that answers. */
  instance: z.string(),
  at: time,
  /** Where not reachable, nodes and pods are as last seen. */
  kubernetes: z.object({
    reachable: z.boolean(),
    since: z.string().exactOptional(),
    error: z.string().exactOptional(),
  }),
  nodes: z.array(nodeSchema),
  pods: z.array(podSchema),
  clouds: z.array(cloudSchema),
  satellites: fleetSummarySchema,
  applications: z.array(applicationSchema),
});
export type Overview = z.infer<typeof overviewSchema>;

/**
 * What a watch can be asked for; the kinds beside `overview` and `fleet`, which are events of these names, come as
 * events `change`, with the position as id.
 */
export const TOPICS = [
  'overview',
  'fleet',
  'users',
  'tokens',
  'enrolment-tokens',
  'sessions',
  'saved-queries',
  'schedules',
  'satellites',
  'audit',
] as const;
export type Topic = (typeof TOPICS)[number];

/** The first event of a watch, `start`. */
export interface WatchStart {
  /** From where on changes are told. */
  seq: number;
  /** The fleet's, as in the overview. */
  version: number;
  /** As whom it is heard: a reader that had another role before has missed the change. */
  user: string;
  role: Role;
}
/** An event `change` of a watch. */
export interface ChangeLine {
  seq: number;
  topic: Topic;
  change: 'created' | 'changed' | 'deleted';
  key: string;
  /** As a GET shows it now; null where it is deleted, or is not there any more. */
  item: unknown;
}

/** RFC 9457, application/problem+json. */
export const problemSchema = z.object({
  /** `urn:terrarium:problem:<code>`, stable. */
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string().exactOptional(),
  errors: z.array(z.object({ path: z.string(), message: z.string() })).exactOptional(),
  /** Of this request, as in the header X-Request-Id and the cloud's log. */
  requestId: z.string().exactOptional(),
});
export type Problem = z.infer<typeof problemSchema>;

/** `ms`: from this instance to the satellite and back. */
export interface Pong {
  id: string;
  pong: { satellite: string; data: string; ms: number };
}

/**
 * What the cloud says there: the lines of queries as over HTTP, each with its query's name; or why there is no query.
 */
export type StreamLine = ({ id: string } & QueryLine) | Pong | { id: string; problem: Problem };
