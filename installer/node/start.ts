import type { ClusterSpec, NodeSpec } from '../cluster/spec.ts';
import { operationFiles } from '../plan/files.ts';
import type { Plan } from '../plan/types.ts';
import { startCoordinator, startExecutor } from '../plan/units.ts';
import { storeConsoleTls, type ConsoleTls } from './console-tls.ts';
import { makeDir, writeFileDurably } from './files.ts';
import { acceptMembership } from './membership.ts';

export interface StartInput {
  spec: ClusterSpec;
  node: NodeSpec;
  operation: string;
  cert: string;
  ca: string;
  /** The customer's own certificate for the console. */
  consoleTls?: ConsoleTls | undefined;
}

/**
 * Makes this node ready to take part in an operation. @throws Failure `operation-running` where it is busy with another
 * one.
 */
export async function startNodeExecutor({
  spec,
  node,
  operation,
  cert,
  ca,
  consoleTls,
}: StartInput): Promise<'started' | 'running'> {
  const files = operationFiles(spec.data, operation);
  makeDir(files.dir, { mode: 0o700 });
  acceptMembership(spec, cert, ca);
  if (consoleTls !== undefined && node.role === 'control-plane') {
    storeConsoleTls(spec, consoleTls);
  }
  writeFileDurably(files.executorConfig, JSON.stringify({ spec, node }), { mode: 0o600 });
  return await startExecutor({ executable: process.execPath, operation, data: spec.data });
}

/** Puts a plan on this node's disk and starts its coordinator; one that is at it already is left. */
export async function startPlan(plan: Plan): Promise<'started' | 'running'> {
  const files = operationFiles(plan.spec.data, plan.id);
  makeDir(files.dir, { mode: 0o700 });
  writeFileDurably(files.plan, JSON.stringify(plan), { mode: 0o600 });
  return await startCoordinator({ executable: process.execPath, operation: plan.id, data: plan.spec.data });
}
