import type { ScrubReport } from '../replica.ts';
import { restore } from '../restore.ts';
import type { SingleContext } from './context.ts';

/** Looks for damage in the database, and mends it. */
export interface Scrubber {
  /** One at a time: a call while one is under way gets what that one finds. */
  scrub(): Promise<ScrubReport>;
  /** The one that is under way. */
  underWay(): Promise<ScrubReport> | undefined;
}

/** @param resume called after each scrub: proposals need not wait any more */
export function createScrubber(context: SingleContext, resume: () => void): Scrubber {
  let scrubbing: Promise<ScrubReport> | undefined;
  return {
    scrub() {
      scrubbing ??= look(context).finally(() => {
        scrubbing = undefined;
        context.state.held = false;
        resume();
      });
      return scrubbing;
    },
    underWay: () => scrubbing,
  };
}

async function look(context: SingleContext): Promise<ScrubReport> {
  const { options, core, state } = context;
  const { timing, log, storage } = options;
  const from = timing.now();
  const { problems, log: damaged } = await storage.verify();
  if (problems.length > 0) {
    for (const problem of problems) {
      log(`store: ${problem}`);
    }
    log('store: restoring the database from its newest sound snapshot and the log');
    await restoreBeside(context);
    return { problems, healing: 'restored', ms: timing.now() - from };
  }
  state.stopped = undefined;
  if (damaged.length === 0) {
    return { problems, healing: 'none', ms: timing.now() - from };
  }
  // The tables are sound: with a snapshot of them nobody needs the log up to here.
  problems.push(`The log's entry ${damaged.join(', ')} is not what was written.`);
  const taken = await core.snapshot();
  if (taken === undefined || taken.message < (damaged.at(-1) ?? 0)) {
    return { problems, healing: 'none', ms: timing.now() - from };
  }
  core.machine().trimLog(taken.message);
  return { problems, healing: 'restored', ms: timing.now() - from };
}

/** Restores the database beside the damaged one, which can be read meanwhile; what is proposed waits. */
async function restoreBeside({ options, core, state }: SingleContext): Promise<void> {
  state.held = true;
  try {
    const restored = await restore(options);
    state.reason = restored.reason;
    core.exchange(restored.adopt);
    state.stopped = undefined;
  } catch (error) {
    state.stopped = `The database is damaged and cannot be restored: ${(error as Error).message}.`;
    throw error;
  }
}
