import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../../src/errors.ts';
import { nodePaths } from '../cluster/paths.ts';
import { coordinate } from './coordinator.ts';
import { openEvents, retireEvents } from './events.ts';
import { serveExecutor, type TlsFiles } from './executor.ts';
import { operationFiles } from './files.ts';
import { openJournal, readJournal } from './journal.ts';
import type { LoadPhase, LoadProcedure } from './load.ts';
import type { Patience } from './persist.ts';
import { executorClient } from './rpc.ts';
import { readExecutorConfig, readPlan } from './schema.ts';

/** @throws Failure `no-certificate` where this node has none yet. */
export function readTls(pki: string): TlsFiles {
  try {
    const read = (name: string): string => readFileSync(join(pki, name), 'utf8');
    return { ca: read('ca.crt'), cert: read('node.crt'), key: read('node.key') };
  } catch (cause) {
    throw new Failure('no-certificate', `This machine has no certificate of the cluster: ${(cause as Error).message}.`, {
      remedy: 'Run `terrarium install` or `terrarium join` again.',
      cause,
    });
  }
}

/** The executor's process: reads its files, serves until it is told to finish. */
export async function runExecutor(options: { operation: string; configFile: string; loadPhase: LoadPhase; loadProcedure: LoadProcedure; signal: AbortSignal }): Promise<void> {
  const config = readExecutorConfig(options.configFile);
  const files = operationFiles(config.spec.data, options.operation);
  const tls = readTls(nodePaths(config.spec).pki);
  const executor = await serveExecutor({ ...options, config, tls, files });
  await executor.done;
}

/**
 * The coordinator's process: reads the plan of `operation` below `data`, carries it out.
 * @returns whether it succeeded
 */
export async function runCoordinator(options: { operation: string; data: string; loadPhase: LoadPhase; patience?: Patience }): Promise<boolean> {
  const files = operationFiles(options.data, options.operation);
  const plan = readPlan(files.plan);
  const tls = readTls(nodePaths({ prefix: plan.spec.prefix, data: options.data }).pki);
  retireEvents(files.events);
  const events = openEvents(files.events);
  const before = readJournal(files.journal);
  const journal = openJournal(files.journal);
  try {
    return await coordinate({
      plan,
      files,
      journal,
      before,
      emit: events.emit,
      loadPhase: options.loadPhase,
      connect: (node) => executorClient({ operation: plan.id, node, port: plan.spec.ports.executor, tls }),
      ...(options.patience === undefined ? {} : { patience: options.patience }),
    });
  } finally {
    events.close();
    journal.close();
  }
}
