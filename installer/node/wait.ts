import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '../../src/errors.ts';
import type { PhaseContext } from '../plan/types.ts';

export interface WaitOptions {
  /** What is waited for, as the administrator reads it. */
  for: string;
  /**
   * The wait fails when no new cause has come up for so long: a slow machine that progresses is no failure, one that
   * goes in circles is.
   */
  stalledMs: number;
  everyMs?: number;
  remedy: string;
}

/**
 * Asks until `probe` answers undefined (done). A string is the cause why not yet; one that has not been there yet
 * counts as progress.
 * For things that have no watch: a port that is not open yet, a process that is not up yet.
 * @throws Failure `wait-stalled` with the last cause.
 */
export async function waitUntil(
  context: PhaseContext,
  options: WaitOptions,
  probe: () => Promise<string | undefined>,
): Promise<void> {
  let cause = '';
  const seen = new Set<string>();
  let since = Date.now();
  for (;;) {
    context.signal.throwIfAborted();
    const now = await probe();
    if (now === undefined) {
      return;
    }
    if (now !== cause) {
      cause = now;
      if (!seen.has(cause)) {
        since = Date.now();
      }
      seen.add(cause);
      context.waiting(options.for, cause);
    }
    if (Date.now() - since > options.stalledMs) {
      throw new Failure('wait-stalled', `${context.node.name}: gave up waiting for ${options.for}: ${cause}.`, {
        host: context.node.name,
        remedy: options.remedy,
      });
    }
    await sleep(options.everyMs ?? 200, undefined, { signal: context.signal });
  }
}
