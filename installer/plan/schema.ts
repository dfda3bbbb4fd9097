import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { z } from 'zod';
import { Failure, isErrno } from '../../src/errors.ts';
import { PORT_NAMES, type PortName } from '../cluster/ports.ts';
import type { ClusterSpec, NodeSpec } from '../cluster/spec.ts';
import { zoneName } from '../cluster/zone.ts';
import type { Json, Plan, PlanGroup, PlanLeaf, PlanNode } from './types.ts';

/** Checks of what comes from disk or over the wire; each schema is as strict as its type. */
const address = z.string().refine((a) => isIP(a) !== 0, 'must be an IP address');
export const nodeSchema: z.ZodType<NodeSpec> = z.object({
  name: z.string().regex(/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/, 'must be a host name'),
  address,
  role: z.enum(['control-plane', 'worker']),
});
const port = z.int().min(1).max(65535);
export const specSchema: z.ZodType<ClusterSpec> = z.object({
  id: z.string().min(1),
  name: z.string().min(1),
  nodes: z.array(nodeSchema).min(1),
  family: z.union([z.literal(4), z.literal(6)]),
  serviceRange: z.string(),
  ports: z.object(Object.fromEntries(PORT_NAMES.map((n) => [n, port])) as Record<PortName, typeof port>),
  prefix: z.string().startsWith('/'),
  data: z.string().startsWith('/'),
  consoleName: z
    .string()
    .optional()
    .transform((v): string | undefined => v),
  zone: zoneName.exactOptional(),
  overrides: z.array(z.object({ check: z.string(), reason: z.string() })),
}) as z.ZodType<ClusterSpec>;

const leafSchema = z.object({
  kind: z.literal('leaf'),
  id: z.string().min(1),
  phase: z.string().min(1),
  node: z.string().min(1),
  exclusive: z.string().optional(),
  args: (z.json() as z.ZodType<Json>).optional(),
  verb: z.enum(['do', 'undo']).optional(),
  title: z.string().optional(),
});
const groupSchema = z.object({
  kind: z.literal('group'),
  id: z.string().min(1),
  title: z.string(),
  order: z.enum(['serial', 'parallel']),
  atOnce: z.int().min(1).optional(),
  get children() {
    return z.array(z.union([leafSchema, groupSchema]));
  },
});
const planSchema = z.object({
  id: z.string().min(1),
  operation: z.enum(['install', 'join', 'uninstall']),
  spec: specSchema,
  root: groupSchema,
});

/** DATA/operations/ID/executor.json (mode 0600): who this executor is. */
export interface ExecutorConfig {
  spec: ClusterSpec;
  /** This node. */
  node: NodeSpec;
  /** The address it listens on, port `spec.ports.executor`; default: the node's own. */
  listen?: string | undefined;
}
const executorConfigSchema: z.ZodType<ExecutorConfig> = z.object({
  spec: specSchema,
  node: nodeSchema,
  listen: address.optional(),
});

const json = z.json() as z.ZodType<Json>;
export const leafRequestSchema = z.object({
  operation: z.string(),
  leaf: z.string().min(1),
  phase: z.string().min(1),
  verb: z.enum(['isDone', 'do', 'undo']),
  input: json,
});
export type LeafRequest = z.infer<typeof leafRequestSchema>;
export const procedureRequestSchema = z.object({ operation: z.string(), name: z.string().min(1), args: json });

/** All leaves of a tree, in the order in which they stand. */
export function leavesOf(node: PlanNode): PlanLeaf[] {
  return node.kind === 'leaf' ? [node] : node.children.flatMap(leavesOf);
}

/** @throws Failure `bad-plan` where ids repeat or a leaf names a node that the cluster lacks. */
export function parsePlan(value: unknown): Plan {
  const parsed = planSchema.safeParse(value);
  if (!parsed.success) {
    throw badPlan(
      `${parsed.error.issues[0]?.path.join('.') ?? ''}: ${parsed.error.issues[0]?.message ?? 'is not valid'}`,
    );
  }
  const plan = parsed.data as unknown as Plan;
  const seen = new Set<string>();
  const nodes = new Set(plan.spec.nodes.map((n) => n.name));
  const visit = (node: PlanGroup | PlanLeaf): void => {
    if (seen.has(node.id)) {
      throw badPlan(`two steps are called ${node.id}`);
    }
    seen.add(node.id);
    if (node.kind === 'group') {
      node.children.forEach(visit);
    } else if (!nodes.has(node.node)) {
      throw badPlan(`${node.id} is for ${node.node}, which is no node of the cluster`);
    }
  };
  visit(plan.root);
  return plan;
}

function badPlan(why: string): Failure {
  return new Failure('bad-plan', `The plan of the operation is not valid: ${why}.`, {
    remedy: 'Run the command that started the operation again.',
  });
}

/** @throws Failure `no-operation` where the file is missing, `bad-plan` where it is damaged. */
export function readPlan(path: string): Plan {
  return parsePlan(readJson(path));
}

/** @throws Failure as readPlan. */
export function readExecutorConfig(path: string): ExecutorConfig {
  const parsed = executorConfigSchema.safeParse(readJson(path));
  if (parsed.success) {
    return parsed.data;
  }
  throw badPlan(
    `${path}: ${parsed.error.issues[0]?.path.join('.') ?? ''}: ${parsed.error.issues[0]?.message ?? 'is not valid'}`,
  );
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as unknown;
  } catch (cause) {
    if (isErrno(cause, 'ENOENT')) {
      throw new Failure('no-operation', `There is no such operation on this machine: ${path} is missing.`, {
        remedy: 'Run the command that started the operation again.',
        cause,
      });
    }
    if (cause instanceof SyntaxError) {
      throw badPlan(`${path} is damaged`);
    }
    throw cause;
  }
}
