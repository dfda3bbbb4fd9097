import { z } from 'zod';
import { QUERY_LIMITS, type Value } from '../bus/frames.ts';

export { API_PATHS, CLIENT_HEADER, SESSION_COOKIE } from './api-paths.ts';

/**
 * The cloud's HTTP API as cloud, CLI and console share it.
 *
 * Credentials: `Authorization: Bearer <session token or API token>`, or the cookie of a login; a request by cookie that is not a
 * GET must carry the header `X-Terrarium-Client` with any value, which no foreign page can send. Errors are `Problem`.
 */

/** POST /api/v1/login */
export const loginSchema = z.strictObject({ user: z.string().min(1).max(64), password: z.string().min(1).max(1024) });
export type LoginRequest = z.infer<typeof loginSchema>;
export interface LoginReply {
  token: string;
  /** ISO 8601. */
  expiresAt: string;
}

/** GET /api/v1/session: who the caller is; null where not logged in. */
export interface SessionReply {
  user: string | null;
}

/** POST /api/v1/queries; the answer is `QueryLine`s, one JSON object a line (application/x-ndjson). */
export const querySchema = z.strictObject({
  sql: z.string().min(1).max(QUERY_LIMITS.sql),
  /** Ids of satellites; default: all that are known. */
  satellites: z.array(z.string().min(1).max(63)).min(1).max(1000).optional(),
  timeoutMs: z.int().min(100).max(QUERY_LIMITS.maxTimeoutMs).default(QUERY_LIMITS.timeoutMs),
  maxRows: z.int().min(1).max(QUERY_LIMITS.maxRows).default(QUERY_LIMITS.rows),
});
export type QueryBody = z.input<typeof querySchema>;

/** How a satellite's part of a query ended; at the end none is `pending`, and they sum to the number asked. */
export type QueryState = 'pending' | 'rows' | 'empty' | 'error' | 'lost' | 'denied';

export type QueryLine =
  | { q: string; sat: string; seq: number; columns?: string[]; rows: Value[][] }
  | { q: string; sat: string; end: { rows: number; ms: number; truncated?: 'rows' | 'bytes' | 'time' | 'memory' } }
  | { q: string; sat: string; error: { code: string; message: string } }
  | { q: string; done: true; satellites: Record<string, QueryState>; rows: number; ms: number };

/** GET /api/v1/overview; GET /api/v1/watch sends the same as server-sent events `overview`, at once and on each change. */
export interface Overview {
  cluster: { id: string; name: string; version: string };
  /** The instance that answers. */
  instance: string;
  /** ISO 8601. */
  at: string;
  /** Where not reachable, nodes and pods are as last seen. */
  kubernetes: { reachable: boolean; since?: string; error?: string };
  nodes: NodeInfo[];
  pods: PodInfo[];
  clouds: CloudInfo[];
  satellites: SatelliteInfo[];
  /** Of a vendor, as far as they are deployed. */
  applications: ApplicationInfo[];
}

export interface ApplicationInfo {
  name: string;
  /** `http://HOST:PORT`, `https://HOST:PORT` or `HOST:PORT`, of the nodes that it runs on. */
  addresses: string[];
}

export interface NodeInfo {
  name: string;
  address: string;
  role: 'control-plane' | 'worker';
  ready: boolean;
  /** Why it is not ready, in a sentence. */
  reason?: string;
  version: string;
  /** ISO 8601. */
  createdAt: string;
}

export interface PodInfo {
  namespace: string;
  name: string;
  node: string;
  phase: string;
  ready: boolean;
  hostNetwork: boolean;
  restarts: number;
  /** Ports of its node that it takes, where it names any. */
  hostPorts?: number[];
  /** Why it is not ready. */
  reason?: string;
}

export interface CloudInfo {
  name: string;
  node: string;
  ready: boolean;
  /** `unreachable`: not heard of for 6 s. */
  state: 'healthy' | 'not-ready' | 'unreachable';
  reason?: string;
  version: string;
  nats: { role: 'single' | 'leader' | 'follower' | 'none'; peers: string[]; version: string };
  /** ISO 8601. */
  lastSeen: string;
}

export type SatelliteState = 'healthy' | 'degraded' | 'unreachable';

export interface SatelliteInfo {
  id: string;
  node: string;
  state: SatelliteState;
  version: string;
  addresses: string[];
  tables: { name: string; columns: string[] }[];
  load: [number, number, number];
  /** ISO 8601 all of them. */
  startedAt: string;
  firstSeen: string;
  lastSeen: string;
}

/** RFC 9457, application/problem+json. */
export interface Problem {
  /** `urn:terrarium:problem:<code>`, stable. */
  type: string;
  title: string;
  status: number;
  detail?: string;
  errors?: { path: string; message: string }[];
}
