import { z } from 'zod';
import type { NodeInfo } from '../api/overview.ts';
import type { Topology } from '../bus/config.ts';
import type { Facts } from '../store/facts.ts';

const FACT = 'topology';

const schema = z.object({
  servers: z.array(z.object({ name: z.string(), address: z.string() })),
  satellites: z.array(z.string()),
  jetstream: z.boolean(),
});

/** From two on there is one state for all of them, which needs a majority of them, as etcd does. */
const JETSTREAM_SERVERS = 2;

/** Who takes part in the bus, by the cluster's nodes. JetStream, once on, stays on. */
export function topologyOf(
  nodes: NodeInfo[],
  self: { name: string; address: string },
  before: Topology | undefined,
): Topology {
  const servers = nodes
    .filter((n) => n.role === 'control-plane' && n.address !== '')
    .map(({ name, address }) => ({ name, address }));
  if (!servers.some((s) => s.name === self.name)) {
    servers.push(self);
  }
  const satellites = new Set([...nodes.map((n) => n.name), self.name]);
  return {
    servers: servers.map((s) => (s.name === self.name ? self : s)).sort((a, b) => a.name.localeCompare(b.name)),
    satellites: [...satellites].sort(),
    jetstream: before?.jetstream === true || servers.length >= JETSTREAM_SERVERS,
  };
}

/** The topology as last known; undefined where it is not, or is of another address. */
export function savedTopology(facts: Facts, self: { name: string; address: string }): Topology | undefined {
  const saved = schema.safeParse(facts.get(FACT));
  return saved.success && saved.data.servers.some((s) => s.name === self.name && s.address === self.address)
    ? saved.data
    : undefined;
}

/** What a server starts with while Kubernetes cannot be asked. */
export function loadTopology(facts: Facts, self: { name: string; address: string }): Topology {
  return savedTopology(facts, self) ?? topologyOf([], self, undefined);
}

export function saveTopology(facts: Facts, topology: Topology): void {
  facts.put(FACT, topology);
}
