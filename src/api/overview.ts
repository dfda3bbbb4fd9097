import { z } from 'zod';
import { fleetSummarySchema } from './satellites.ts';
import { timestampShape } from './shapes.ts';

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
  lastSeen: timestampShape,
});
export type CloudInfo = z.infer<typeof cloudSchema>;

/**
 * GET /api/v1/overview; GET /api/v1/watch sends the same as server-sent events `overview`, at once and on each change,
 * at most one a second.
 */
export const overviewSchema = z.object({
  cluster: z.object({ id: z.string(), name: z.string(), version: z.string() }),
  /** The instance that answers. */
  instance: z.string(),
  at: timestampShape,
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
