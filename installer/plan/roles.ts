import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../../src/errors.ts';
import { nodePaths } from '../cluster/paths.ts';
import type { NodeSpec } from '../cluster/spec.ts';
import { coordinate, conclude } from './coordinator.ts';
import { openEvents } from './events.ts';
import { serveExecutor, type TlsFiles } from './executor.ts';
import { operationFiles } from './files.ts';
import { openJournal, readJournal } from './journal.ts';
import { readLines } from './lines.ts';
import type { LoadPhase, LoadProcedure } from './load.ts';
import type { Patience } from './persist.ts';
import { executorClient, type ExecutorClient } from './rpc.ts';
import { readExecutorConfig, readPlan } from './schema.ts';
import type { PlanEvent } from './types.ts';

/** @throws Failure `no-certificate` where this node has none yet. */
export function readTls(pki: string): TlsFiles {
  try {
    const read = (name: string): string => readFileSync(join(pki, name), 'utf8');
    return { ca: read('ca.crt'), cert: read('node.crt'), key: read('node.key') };
  } catch (cause) {
    throw new Failure(
      'no-certificate',
      `This machine has no certificate of the cluster: ${(cause as Error).message}.`,
      {
        remedy: 'Run `terrarium install` or `terrarium join` again.',
        cause,
      },
    );
  }
}

/** The executor's process: reads its files, serves until it is told to finish. */
export async function runExecutor(options: {
  operation: string;
  configFile: string;
  loadPhase: LoadPhase;
  loadProcedure: LoadProcedure;
  signal: AbortSignal;
}): Promise<void> {
  const config = readExecutorConfig(options.configFile);
  const files = operationFiles(config.spec.data, options.operation);
  const tls = readTls(nodePaths(config.spec).pki);
  const executor = await serveExecutor({ ...options, config, tls, files });
  await executor.done;
}

/**
 * The coordinator's process: reads the plan of `operation` below `data`, carries it out or goes on with it. Where the
 * events tell of a run that came to its end, nothing is done: startCoordinator puts them aside before a new run.
 * @returns whether it succeeded
 */
export async function runCoordinator(options: {
  operation: string;
  data: string;
  loadPhase: LoadPhase;
  patience?: Patience;
}): Promise<boolean> {
  const files = operationFiles(options.data, options.operation);
  const plan = readPlan(files.plan);
  const tls = readTls(nodePaths({ prefix: plan.spec.prefix, data: options.data }).pki);
  const before = readJournal(files.journal);
  const last = readLines<PlanEvent>(files.events).at(-1);
  // Killed between the end and its exit.
  if (last?.type === 'end') {
    return last.ok;
  }
  const events = openEvents(files.events);
  const journal = openJournal(files.journal);
  const connect = (node: NodeSpec): ExecutorClient =>
    executorClient({ operation: plan.id, node, port: plan.spec.ports.executor, tls });
  const outcome = before.get(plan.root.id);
  try {
    if (last !== undefined && outcome !== undefined && outcome.state !== 'in progress') {
      return await conclude({ plan, files, connect, emit: events.emit }, outcome);
    }
    return await coordinate({
      plan,
      files,
      journal,
      before,
      connect,
      emit: events.emit,
      loadPhase: options.loadPhase,
      ...(options.patience === undefined ? {} : { patience: options.patience }),
    });
  } finally {
    events.close();
    journal.close();
  }
}
