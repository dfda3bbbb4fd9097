import { randomBytes } from 'node:crypto';
import { Failure } from '../../errors.ts';
import type { Outcome } from '../../store/machine/types.ts';
import type { Draft } from '../../store/replica.ts';
import { ulid } from '../../store/ulid.ts';
import type { Metrics } from '../metrics.ts';
import { createRate } from '../schedule-rate.ts';
import { packLines } from '../schedule-rows.ts';
import type { Collected, RunEnd } from '../schedule-run.ts';
import type { State } from '../state/state.ts';

/** How long the end of a run is tried to be told. */
const TELL_MS = 60_000;
const AGAIN_MS = 1_000;

export interface RunRecorderOptions {
  /** As the audit log names this instance. */
  actor: string;
  state: State;
  metrics: Pick<Metrics, 'schedule'>;
  now: () => number;
  /** Monotonic clock, in milliseconds. */
  monotonic: () => number;
}

/** Brings into the state what an instance's runs come to. */
export interface RunRecorder {
  /** Proposes until it is known what it came to. @throws Failure where that is not so after `ms` */
  tell(draft: Draft, ms?: number): Promise<Outcome>;
  /** Records the end of a run. @throws Failure as `tell` */
  finish(schedule: string, number: number, end: RunEnd, ms?: number): Promise<void>;
  /**
   * Keeps a run's lines, without their rows where the log of changes has no room for them.
   * @returns the end that is to be recorded @throws Failure as `tell`
   */
  keep(schedule: string, number: number, collected: Collected, end: RunEnd): Promise<RunEnd>;
}

/** Creates the recorder of one instance, whose runs share one rate. */
export function createRunRecorder({ actor, state, metrics, now, monotonic }: RunRecorderOptions): RunRecorder {
  const rate = createRate();

  async function tell(draft: Draft, ms = TELL_MS): Promise<Outcome> {
    const id = ulid(now(), randomBytes(10));
    for (const until = monotonic() + ms; ;) {
      try {
        return await state.replica().propose({ ...draft, id });
      } catch (error) {
        const passing =
          error instanceof Failure && ['store-unavailable', 'store-busy', 'starting'].includes(error.code);
        if (!passing || monotonic() > until) {
          throw error;
        }
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      }
    }
  }

  async function finish(schedule: string, number: number, end: RunEnd, ms?: number): Promise<void> {
    const { result } = await tell({ kind: 'schedule.finish', actor, args: { schedule, number, ...end } }, ms);
    // Refused: deleted meanwhile, or said to be lost by another instance, which is then what holds.
    if (!result.ok) {
      return;
    }
    metrics.schedule(end.state, 1);
    metrics.schedule('skipped', (result.value as { skipped: number }).skipped);
  }

  async function keep(schedule: string, number: number, collected: Collected, end: RunEnd): Promise<RunEnd> {
    let pieces = await packLines(collected.lines());
    let kept = end;
    if (!rate.take(pieces.reduce((sum, piece) => sum + Math.ceil(piece.length / 3) * 4, 0))) {
      kept = { ...end, kept: 0, cut: 'rate' };
      pieces = await packLines(collected.bare());
    }
    for (const [piece, data] of pieces.entries()) {
      const { result } = await tell({
        kind: 'schedule.rows',
        actor,
        args: { schedule, number, piece, data: data.toString('base64') },
      });
      if (!result.ok) {
        break;
      }
    }
    return kept;
  }

  return { tell, finish, keep };
}
