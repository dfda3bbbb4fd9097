import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../../src/errors.ts';
import { operationFiles } from './files.ts';
import { readJournal, type JournalRecord } from './journal.ts';
import { readLines } from './lines.ts';
import { leavesOf, readPlan } from './schema.ts';
import type { LeafState, PlanEvent } from './types.ts';

export interface OperationStatus {
  id: string;
  /** `coordinator`: the whole operation is known here; `executor`: only this node's part. */
  role: 'coordinator' | 'executor';
  /** How the last run ended (of an executor: how its own steps stand); `unfinished`: it is under way or was killed. */
  state: 'completed' | 'failed' | 'unfinished';
  leaves: {
    id: string;
    title?: string;
    node?: string;
    state: LeafState;
    at?: string;
    ms?: number;
    error?: JournalRecord['error'];
  }[];
}

/** The operation of this node that changed last, `undefined` where there has been none. */
export function lastOperation(data: string): string | undefined {
  const folder = join(data, 'operations');
  if (!existsSync(folder)) {
    return undefined;
  }
  const changed = (dir: string): number =>
    Math.max(0, ...readdirSync(dir).map((file) => statSync(join(dir, file)).mtimeMs));
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => ({ id: entry.name, at: changed(join(folder, entry.name)) }))
    .sort((a, b) => b.at - a.at)[0]?.id;
}

/** @throws Failure `no-operation` where this node knows of none. */
export function operationStatus(data: string, wanted?: string): OperationStatus {
  const id = wanted ?? lastOperation(data);
  const files = id === undefined ? undefined : operationFiles(data, id);
  if (id === undefined || files === undefined || !existsSync(files.dir)) {
    throw noOperation(id);
  }
  if (!existsSync(files.plan)) {
    const journals = readdirSync(files.dir).filter((file) => file.endsWith('.journal.jsonl'));
    const records = journals.flatMap((file) => [...readJournal(join(files.dir, file)).values()]);
    return {
      id,
      role: 'executor',
      state: executorState(records),
      leaves: records.map((r) => ({ id: r.leaf, ...said(r) })),
    };
  }
  const journal = readJournal(files.journal);
  const events = readLines<PlanEvent>(files.events);
  const end = events.at(-1);
  const titles = new Map(
    events.flatMap((e) => (e.type === 'plan' ? leavesOf(e.plan.root) : [])).map((leaf) => [leaf.id, leaf.title]),
  );
  return {
    id,
    role: 'coordinator',
    state: coordinatorState(end),
    leaves: leavesOf(readPlan(files.plan).root).map((leaf) => ({
      id: leaf.id,
      title: titles.get(leaf.id) ?? leaf.phase,
      node: leaf.node,
      ...said(journal.get(leaf.id)),
    })),
  };
}

function executorState(records: JournalRecord[]): OperationStatus['state'] {
  if (records.some((r) => r.state === 'failed')) {
    return 'failed';
  }
  return records.some((r) => r.state === 'in progress') ? 'unfinished' : 'completed';
}

function coordinatorState(last: PlanEvent | undefined): OperationStatus['state'] {
  if (last?.type !== 'end') {
    return 'unfinished';
  }
  return last.ok ? 'completed' : 'failed';
}

export function noOperation(id?: string): Failure {
  const which = id === undefined ? 'There has been no operation' : `There has been no operation ${id}`;
  return new Failure('no-operation', `${which} on this machine.`, {
    remedy: 'Ask on the node that coordinated it, as root.',
  });
}

function said(
  record: JournalRecord | undefined,
): Pick<OperationStatus['leaves'][number], 'state' | 'at' | 'ms' | 'error'> {
  if (record === undefined) {
    return { state: 'not started' };
  }
  return {
    state: record.state,
    at: record.at,
    ...(record.ms === undefined ? {} : { ms: record.ms }),
    ...(record.error === undefined ? {} : { error: record.error }),
  };
}
