import { join } from 'node:path';
import { EXIT, Failure } from '../../src/errors.ts';

/** What an operation keeps on a node, all below DATA/operations/ID (mode 0700, files 0600). */
export interface OperationFiles {
  dir: string;
  /** The Plan; only on the node that coordinates. */
  plan: string;
  /** The coordinator's journal. */
  journal: string;
  /** PlanEvents of the run under way, one JSON object a line; what `operation follow` prints. */
  events: string;
  /** ExecutorConfig. */
  executorConfig: string;
  /** The journal of that node's executor. */
  executorJournal(node: string): string;
  /** What that node's phases said, with timestamps: the file for support. */
  log(node: string): string;
}

/** @throws Failure `bad-operation` where `id` is no operation's id (it becomes part of a path). */
export function operationFiles(data: string, id: string): OperationFiles {
  if (!/^[a-z0-9][a-z0-9-]{0,79}$/.test(id)) {
    throw new Failure('bad-operation', `'${id}' is no operation's id.`, {
      remedy: 'See `terrarium operation status` for the last one.',
      exitCode: EXIT.usage,
    });
  }
  const dir = join(data, 'operations', id);
  return {
    dir,
    plan: join(dir, 'plan.json'),
    journal: join(dir, 'journal.jsonl'),
    events: join(dir, 'events.jsonl'),
    executorConfig: join(dir, 'executor.json'),
    executorJournal: (node) => join(dir, `${node}.journal.jsonl`),
    log: (node) => join(dir, `${node}.log`),
  };
}
