import type { CloudInfo } from '../../api/overview.ts';
import type { Store } from '../../store/database.ts';
import type { ScheduleRow, ScheduleRunRow } from '../../store/rows.ts';
import { ended } from '../schedule-run.ts';
import { runByNumber } from '../state/schedules.ts';
import { OVERTIME_MS } from './execute.ts';
import type { RunRecorder } from './recorder.ts';

/**
 * Silence after which an instance's runs are lost: longer than what makes it unreachable, since a busy machine is
 * silent for that, and its run would be doubled.
 */
const GONE_MS = 15_000;
/** Beyond the time at which it should have ended, after which another instance is taken to have forgotten a run. */
const FORGOTTEN_MS = 60_000;

export interface LostRunsOptions {
  /** This instance's name, and which life of it this is. */
  self: string;
  boot: string;
  recorder: Pick<RunRecorder, 'finish'>;
  /** Whether a run of this schedule is under way here. */
  isActive(schedule: string): boolean;
  instances(): CloudInfo[];
  /** Milliseconds for which the others have been heard here without a break. */
  listeningMs(): number;
  log(line: string): void;
  now: () => number;
  /** Monotonic clock, in milliseconds. */
  monotonic: () => number;
}

/** Ends runs that nobody works on any more. */
export interface LostRuns {
  /**
   * Looks at all schedules with a run under way.
   * @param judges whether the runs of other instances are judged too
   */
  look(db: Store, running: readonly ScheduleRow[], judges: boolean): void;
}

/** Creates the watch of one instance over lost runs: its own earlier life's, and those of instances that are gone. */
export function createLostRuns({
  self,
  boot,
  recorder,
  isActive,
  instances,
  listeningMs,
  log,
  now,
  monotonic,
}: LostRunsOptions): LostRuns {
  /** When a run was first seen under way, by schedule and number. */
  const seen = new Map<string, number>();
  const ending = new Set<string>();

  /** Why a run under way is taken for lost; undefined for one that is not. */
  function gone(schedule: ScheduleRow, run: ScheduleRunRow, judges: boolean): string | undefined {
    if (run.runner === self) {
      return run.boot === boot ? `The instance ${self} could not record it.` : `The instance ${self} was restarted.`;
    }
    if (!judges || listeningMs() < GONE_MS) {
      return undefined;
    }
    const runner = instances().find((i) => i.name === run.runner);
    if (runner === undefined || now() - Date.parse(runner.lastSeen) > GONE_MS) {
      return `The instance ${run.runner} is gone.`;
    }
    const since = seen.get(keyOf(run.schedule, run.number)) ?? monotonic();
    const { timeoutMs } = JSON.parse(schedule.limits) as { timeoutMs: number };
    return monotonic() - since > timeoutMs + OVERTIME_MS + FORGOTTEN_MS
      ? `The instance ${run.runner} has not ended it.`
      : undefined;
  }

  function endLost(db: Store, schedule: ScheduleRow, judges: boolean): void {
    const key = keyOf(schedule.id, schedule.running);
    if (isActive(schedule.id) || ending.has(key)) {
      return;
    }
    if (!seen.has(key)) {
      seen.set(key, monotonic());
    }
    const run = runByNumber(db, schedule.id, schedule.running);
    const reason = run === undefined ? undefined : gone(schedule, run, judges);
    if (reason === undefined) {
      return;
    }
    ending.add(key);
    recorder
      .finish(schedule.id, schedule.running, ended('lost', reason), 0)
      .catch((error: Error) =>
        log(`schedules: the end of run ${schedule.running} of ${schedule.id} was not recorded: ${error.message}`),
      )
      .finally(() => ending.delete(key));
  }

  return {
    look(db, running, judges) {
      for (const schedule of running) {
        endLost(db, schedule, judges);
      }
      const keys = new Set(running.map((s) => keyOf(s.id, s.running)));
      for (const key of seen.keys()) {
        if (!keys.has(key)) {
          seen.delete(key);
        }
      }
    },
  };
}

const keyOf = (schedule: string, number: number): string => `${schedule} ${number}`;
