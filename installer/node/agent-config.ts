import { join } from 'node:path';
import { z } from 'zod';
import { PORT_NAMES, type PortName } from '../cluster/ports.ts';
import type { ClusterSpec, NodeSpec } from '../cluster/spec.ts';
import { readText, updateFile } from './files.ts';

/** DATA/agent.json: what the agent needs before it can reach any API server. */
const port = z.int().min(1).max(65535);
const nodeSchema = z.object({ name: z.string(), address: z.string(), role: z.enum(['control-plane', 'worker']) });
export const agentConfigSchema = z.object({
  clusterId: z.string(),
  node: nodeSchema,
  family: z.union([z.literal(4), z.literal(6)]),
  serviceRange: z.string(),
  prefix: z.string(),
  data: z.string(),
  ports: z.object(Object.fromEntries(PORT_NAMES.map((n) => [n, port])) as Record<PortName, typeof port>),
  /** Control planes known at the time of writing; the API servers' own list replaces it once one answers. */
  controlPlanes: z.array(z.object({ name: z.string(), address: z.string() })),
});
export type AgentConfig = z.infer<typeof agentConfigSchema>;

export function agentConfigPath(data: string): string {
  return join(data, 'agent.json');
}

/** Writes the agent's configuration; true where it changed. */
export function writeAgentConfig(spec: ClusterSpec, node: NodeSpec): boolean {
  const config: AgentConfig = {
    clusterId: spec.id,
    node,
    family: spec.family,
    serviceRange: spec.serviceRange,
    prefix: spec.prefix,
    data: spec.data,
    ports: spec.ports,
    controlPlanes: spec.nodes.filter((n) => n.role === 'control-plane').map(({ name, address }) => ({ name, address })),
  };
  return updateFile(agentConfigPath(spec.data), `${JSON.stringify(config, null, 2)}\n`);
}

export function readAgentConfig(data: string): AgentConfig {
  const text = readText(agentConfigPath(data));
  if (text === undefined) {
    throw new Error(`${agentConfigPath(data)} is missing`);
  }
  return agentConfigSchema.parse(JSON.parse(text));
}
