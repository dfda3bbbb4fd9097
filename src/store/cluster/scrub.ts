import { hash } from 'node:crypto';
import type { LogInfo } from '../pipe.ts';
import type { ScrubReport } from '../replica.ts';
import { ANNOUNCE_MS } from './announce.ts';
import { instanceNames, metaOf, type ClusterContext } from './context.ts';

const SCRUB_EVERY_MS = 3_600_000;
/** Instances that were installed together do not all scrub at the same time. */
const SCRUB_SPREAD_MS = 600_000;
/** The next look after one that could not say what is wrong: instances have compared their chains by then. */
const RESCRUB_MS = 2 * ANNOUNCE_MS;

/** Milliseconds between two scrubs of an instance. */
export function scrubInterval(self: string): number {
  return SCRUB_EVERY_MS + (parseInt(hash('sha256', self, 'hex').slice(0, 8), 16) % SCRUB_SPREAD_MS);
}

/**
 * Looks for damage in database and stream. One at a time: a call while one is under way gets what that one finds. It
 * runs beside the rounds, since it may take minutes, and the log is followed meanwhile.
 */
export function createScrubber(context: ClusterContext): () => Promise<ScrubReport> {
  let scrubbing: Promise<ScrubReport> | undefined;
  return () => {
    scrubbing ??= lookForDamage(context).finally(() => (scrubbing = undefined));
    return scrubbing;
  };
}

async function lookForDamage(context: ClusterContext): Promise<ScrubReport> {
  const { state, core, options } = context;
  const { storage, timing, log } = options;
  const from = timing.now();
  state.last.scrubbed = from;
  const checked = core.machine();
  const { problems } = await storage.verify();
  // What was checked may have been exchanged meanwhile.
  if (context.ending.aborted || checked !== core.machine()) {
    return { problems: [], healing: 'none', ms: timing.now() - from };
  }
  if (problems.length > 0) {
    state.unfit = problems[0];
    for (const problem of problems) {
      log(`store: ${problem}`);
    }
    context.wake();
    return { problems, healing: 'reseeding', ms: timing.now() - from };
  }
  const newest = state.stream;
  if (newest === undefined || newest.epoch !== metaOf(context).epoch) {
    return { problems, healing: 'none', ms: timing.now() - from };
  }
  return inspectStream(context, newest, from);
}

/** Compares this node's copy of the stream with what was applied. */
async function inspectStream(context: ClusterContext, newest: LogInfo, from: number): Promise<ScrubReport> {
  const { state, core, comparison, options } = context;
  const { self, pipe, timing, log } = options;
  const machine = core.machine();
  const found = await pipe.inspect(newest, (a, b) =>
    machine === core.machine() ? machine.messageHashes(a, b) : new Map(),
  );
  const all = [...found.damaged, ...found.differing];
  // Where only the two differ, it is the stream's fault if most instances have applied what this one has; if not, the
  // comparison will tell.
  const blamed =
    found.damaged.length > 0 || (found.differing.length > 0 && comparison.agrees(instanceNames(context).length));
  if (machine === core.machine()) {
    for (const problem of all) {
      log(`store: ${problem}`);
    }
    if (blamed) {
      state.condemned = { epoch: newest.epoch, why: all[0] ?? '', at: timing.now() };
      context.wake();
    } else if (all.length > 0) {
      state.last.scrubbed = from - scrubInterval(self) + RESCRUB_MS;
    }
  }
  return { problems: all, healing: blamed ? 'rebuilding' : 'none', ms: timing.now() - from };
}
