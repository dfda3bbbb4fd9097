import type { FailureData } from '../../src/errors.ts';
import type { ClusterSpec, NodeSpec } from '../cluster/spec.ts';
import type { Journal } from './journal.ts';
import type { LoadPhase } from './load.ts';
import type { LeafMessage } from './messages.ts';
import type { LeafRequest } from './schema.ts';
import { details, phaseFailure } from './sentence.ts';
import type { Json, PhaseContext } from './types.ts';

/** Progress is told at most so often, milliseconds. */
const PROGRESS_MS = 250;

export interface LeafRunsOptions {
  spec: ClusterSpec;
  node: NodeSpec;
  loadPhase: LoadPhase;
  journal: Journal;
  /** Writes a line to the node's log file. */
  log(line: string): void;
  /** Aborted when this executor is told to stop. */
  signal: AbortSignal;
}

type Listener = (message: LeafMessage) => void;
type Outcome = { value: Json } | { error: FailureData };

interface Run {
  verb: LeafRequest['verb'];
  listeners: Set<Listener>;
  /** The last of each, for those who attach later. */
  waiting?: LeafMessage;
  progress?: LeafMessage;
  outcome: Promise<Outcome>;
}

export interface LeafRuns {
  /**
   * Runs a leaf's verb, or attaches to it where it already runs; while another verb of the same leaf runs, that one is
   * waited for first, so that `isDone` never looks at a machine on which `do` is at work. Resolves after the last
   * message.
   */
  attach(request: LeafRequest, listener: Listener): Promise<void>;
  running(): { leaf: string; verb: string }[];
}

/** The context in which phases and procedures of this node run. */
export function phaseContext(
  options: Omit<LeafRunsOptions, 'loadPhase' | 'journal'>,
  name: string,
  tell: Listener,
): PhaseContext {
  let told = 0;
  let lastWaiting = '';
  return {
    spec: options.spec,
    node: options.node,
    signal: options.signal,
    log(line) {
      options.log(`${name}: ${line}`);
      tell({ type: 'log', line });
    },
    waiting(forWhat, lastCause) {
      if (lastWaiting === `${forWhat}\n${lastCause ?? ''}`) {
        return;
      }
      lastWaiting = `${forWhat}\n${lastCause ?? ''}`;
      options.log(`${name}: waiting for ${forWhat}${lastCause === undefined ? '' : ` (${lastCause})`}`);
      tell({ type: 'waiting', for: forWhat, ...(lastCause === undefined ? {} : { cause: lastCause }) });
    },
    progress(fraction) {
      if (fraction < 1 && Date.now() - told < PROGRESS_MS) {
        return;
      }
      told = Date.now();
      tell({ type: 'progress', fraction: Math.min(1, Math.max(0, fraction)) });
    },
  };
}

export function leafRuns(options: LeafRunsOptions): LeafRuns {
  const runs = new Map<string, Run>();

  function start(request: LeafRequest): Run {
    const listeners = new Set<Listener>();
    const tell = (message: LeafMessage): void => {
      if (message.type === 'waiting') {
        run.waiting = message;
      }
      if (message.type === 'progress') {
        run.progress = message;
      }
      for (const listener of listeners) {
        listener(message);
      }
    };
    const outcome = perform(options, request, tell).finally(() => runs.delete(request.leaf));
    const run: Run = { verb: request.verb, listeners, outcome };
    runs.set(request.leaf, run);
    return run;
  }

  return {
    async attach(request, listener) {
      for (;;) {
        const running = runs.get(request.leaf);
        const run = running ?? start(request);
        run.listeners.add(listener);
        for (const message of [run.waiting, run.progress]) {
          if (message !== undefined) {
            listener(message);
          }
        }
        const outcome = await run.outcome;
        if (run.verb !== request.verb) {
          continue;
        }
        listener(
          'error' in outcome ? { type: 'error', error: outcome.error } : { type: 'result', value: outcome.value },
        );
        return;
      }
    },
    running: () => [...runs].map(([leaf, run]) => ({ leaf, verb: run.verb })),
  };
}

/** Never rejects: what goes wrong is an outcome. */
async function perform(options: LeafRunsOptions, request: LeafRequest, tell: Listener): Promise<Outcome> {
  const { leaf, verb } = request;
  const started = Date.now();
  let title = request.phase;
  try {
    // After the map has the run: a phase may answer at once.
    await Promise.resolve();
    const phase = await options.loadPhase(request.phase);
    title = phase.title;
    const context = phaseContext(options, leaf, tell);
    if (verb === 'isDone') {
      return { value: await phase.isDone(context, request.input) };
    }
    options.journal.record({ leaf, state: 'in progress' });
    options.log(`${leaf}: ${verb} started`);
    if (verb === 'do') {
      await phase.do(context, request.input);
    } else {
      await phase.undo(context);
    }
    options.log(`${leaf}: ${verb} took ${Date.now() - started} ms`);
    options.journal.record({ leaf, state: verb === 'do' ? 'completed' : 'rolled back', ms: Date.now() - started });
    return { value: null };
  } catch (thrown) {
    const error = phaseFailure(thrown, title, options.node.name);
    options.log(`${leaf}: ${verb} failed after ${Date.now() - started} ms: ${details(thrown)}`);
    try {
      if (verb !== 'isDone') {
        options.journal.record({ leaf, state: 'failed', ms: Date.now() - started, error });
      }
    } catch (unwritten) {
      options.log(`${leaf}: the journal cannot be written: ${details(unwritten)}`);
    }
    return { error };
  }
}
