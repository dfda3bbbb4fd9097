import { z } from 'zod';
import { nodePaths } from '../cluster/paths.ts';
import type { ClusterSpec, NodeSpec } from '../cluster/spec.ts';
import { readText, writeFileDurably } from './files.ts';

/** node.json: which cluster this machine belongs to and what it is there. Its absence means: not one of ours. */
const identitySchema = z.object({
  clusterId: z.string(),
  cluster: z.string(),
  name: z.string(),
  address: z.string(),
  role: z.enum(['control-plane', 'worker']),
  prefix: z.string(),
  data: z.string(),
  /** `installing` until the first operation has completed on this node. */
  state: z.enum(['installing', 'installed']),
});
export type NodeIdentity = z.infer<typeof identitySchema>;

export function readIdentity(data: string): NodeIdentity | undefined {
  const text = readText(nodePaths({ prefix: '/', data }).node);
  return text === undefined ? undefined : identitySchema.parse(JSON.parse(text));
}

export function writeIdentity(spec: ClusterSpec, node: NodeSpec, state: NodeIdentity['state']): void {
  const identity: NodeIdentity = {
    clusterId: spec.id,
    cluster: spec.name,
    name: node.name,
    address: node.address,
    role: node.role,
    prefix: spec.prefix,
    data: spec.data,
    state,
  };
  writeFileDurably(nodePaths(spec).node, `${JSON.stringify(identity, null, 2)}\n`);
}
