import { z } from 'zod';
import type { Topology } from '../bus/config.ts';
import type { Facts } from '../store/facts.ts';
import type { NodeInfo } from './api.ts';

const FACT = 'topology';

const schema = z.object({
  servers: z.array(z.object({ name: z.string(), address: z.string() })),
  satellites: z.array(z.string()),
  jetstream: z.boolean(),
});

/** Three servers are the fewest that can lose one. */
const JETSTREAM_SERVERS = 3;

/** Who takes part in the bus, by the cluster's nodes. JetStream, once on, stays on. */
export function topologyOf(nodes: NodeInfo[], self: { name: string; address: string }, before: Topology | undefined): Topology {
  const servers = nodes.filter((n) => n.role === 'control-plane' && n.address !== '').map(({ name, address }) => ({ name, address }));
  if (!servers.some((s) => s.name === self.name)) servers.push(self);
  const satellites = new Set([...nodes.map((n) => n.name), self.name]);
  return {
    servers: servers.map((s) => (s.name === self.name ? self : s)).sort((a, b) => a.name.localeCompare(b.name)),
    satellites: [...satellites].sort(),
    jetstream: before?.jetstream === true || servers.length >= JETSTREAM_SERVERS,
  };
}

/** The topology as last known: what a server starts with while Kubernetes cannot be asked. */
export function loadTopology(facts: Facts, self: { name: string; address: string }): Topology {
  const saved = schema.safeParse(facts.get(FACT));
  return saved.success && saved.data.servers.some((s) => s.name === self.name && s.address === self.address) ? saved.data : topologyOf([], self, undefined);
}

export function saveTopology(facts: Facts, topology: Topology): void {
  facts.put(FACT, topology);
}
