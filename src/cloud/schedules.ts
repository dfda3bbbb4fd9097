import type { CloudInfo } from '../api/overview.ts';
import { Failure } from '../errors.ts';
import type { Replica } from '../store/replica.ts';
import type { ScheduleRow } from '../store/rows.ts';
import { SCHEDULES_SCHEMA } from '../store/schedule-limits.ts';
import { isDue } from '../store/schedule-times.ts';
import type { Metrics } from './metrics.ts';
import { MAX_QUERIES } from './queries.ts';
import { refuseTooManyQueries, type QuerySources } from './query-start.ts';
import { createActiveRuns, type Propose } from './schedules/active-runs.ts';
import { createLostRuns } from './schedules/lost-runs.ts';
import { createRunRecorder } from './schedules/recorder.ts';
import { many } from './state/read.ts';
import { scheduleById } from './state/schedules.ts';
import type { State } from './state/state.ts';

const TICK_MS = 500;
/** Runs that were due at once in one instance, which leaves most of its queries to people. */
const RUNS_AT_ONCE = 10;
/** Runs begun at a tick, so that a clock that jumps lets no herd loose. */
const BEGUN_AT_ONCE = 5;

export interface ScheduleKeeperOptions {
  /** This instance's name, and of which life of it (a text that no other has). */
  self: string;
  boot: string;
  state: State;
  metrics: Pick<Metrics, 'schedule'>;
  sources: QuerySources;
  /** Whether this instance is the one that begins what is due; two that do so at once do no harm. */
  tells(): boolean;
  instances(): CloudInfo[];
  /** Milliseconds for which the others have been heard here without a break. */
  listeningMs(): number;
  log(line: string): void;
  now?: () => number;
  /** Monotonic clock, in milliseconds. */
  monotonic?: () => number;
}

export interface ScheduleKeeper {
  /**
   * Begins a run on this instance, out of its time.
   * @param user who asks, among whose queries it counts
   * @param propose has the command carried out in the asker's name; throws where it is refused
   * @returns the run's number @throws Failure `exists` where one is under way here; HttpProblem where the user runs as
   *   many queries as they may
   */
  runNow(id: string, user: string, propose: Propose): Promise<number>;
  stop(): Promise<void>;
}

/**
 * Runs the schedules of the state. One instance, the first of the ready ones, begins what is due and runs it; that it
 * has begun is decided by the state (`schedule.begin`). Every instance ends what an earlier life of its own has left,
 * and the one that begins also what instances that are gone have left.
 */
export function keepSchedules(options: ScheduleKeeperOptions): ScheduleKeeper {
  const { self, boot, state, metrics, sources, tells, instances, listeningMs, log } = options;
  const { now = Date.now, monotonic = () => performance.now() } = options;
  const actor = `cloud/${self}`;
  const recorder = createRunRecorder({ actor, state, metrics, now, monotonic });
  const active = createActiveRuns({ self, boot, actor, state, metrics, sources, recorder, log });
  const lost = createLostRuns({
    self,
    boot,
    recorder,
    isActive: (id) => active.has(id),
    instances,
    listeningMs,
    log,
    now,
    monotonic,
  });
  let read: ScheduleRow[] | undefined;

  function tick(): void {
    const replica = readyReplica(state);
    if (replica === undefined) {
      return;
    }
    read ??= many<ScheduleRow>(replica.db, "SELECT * FROM schedules WHERE state = 'enabled' OR running <> 0");
    const judges = tells();
    lost.look(
      replica.db,
      read.filter((s) => s.running !== 0),
      judges,
    );
    const room = Math.min(
      BEGUN_AT_ONCE,
      RUNS_AT_ONCE - active.due(),
      MAX_QUERIES - RUNS_AT_ONCE - (sources.queries()?.active() ?? Infinity),
    );
    if (!judges || room <= 0) {
      return;
    }
    const at = now();
    const due = read.filter((s) => s.running === 0 && !active.has(s.id) && isDueAt(s, at));
    for (const schedule of due.sort((a, b) => a.next_at - b.next_at).slice(0, room)) {
      void active.beginDue(schedule);
    }
  }

  const timer = setInterval(tick, TICK_MS);
  const end = state.onChange((change) => {
    if (
      change.type === 'applied' &&
      !change.entries.some((e) => e.kind.startsWith('schedule.') || e.kind.startsWith('user.'))
    ) {
      return;
    }
    read = undefined;
    const replica = active.size() === 0 ? undefined : readyReplica(state);
    if (replica !== undefined) {
      active.endUnwanted(replica.db);
    }
  });
  return {
    async runNow(id, user, propose) {
      const schedule = scheduleById(state.replica().db, id);
      if (active.has(id) || schedule === undefined) {
        throw new Failure('exists', `A run of the schedule ${id} is under way.`);
      }
      const proxy = sources.queries();
      if (proxy !== undefined) {
        refuseTooManyQueries(proxy, user);
      }
      return active.begin(schedule, propose, { due: null, user });
    },
    async stop() {
      clearInterval(timer);
      end();
      await active.stop();
    },
  };
}

/** The replica where schedules are read and changed; undefined while that cannot be done. */
function readyReplica(state: State): Replica | undefined {
  const replica = state.current();
  const status = replica?.status();
  return replica !== undefined && status?.state === 'ready' && status.schema >= SCHEDULES_SCHEMA ? replica : undefined;
}

const isDueAt = (schedule: ScheduleRow, at: number): boolean =>
  schedule.state === 'enabled' && isDue({ nextAt: schedule.next_at, interval: schedule.interval_ms }, at);
