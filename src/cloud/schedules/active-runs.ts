import type { Store } from '../../store/database.ts';
import type { Draft } from '../../store/replica.ts';
import type { ScheduleRow, ScheduleRunRow } from '../../store/rows.ts';
import type { Metrics } from '../metrics.ts';
import type { QuerySources } from '../query-start.ts';
import { runByNumber, scheduleById } from '../state/schedules.ts';
import type { State } from '../state/state.ts';
import { executeRun } from './execute.ts';
import type { RunRecorder } from './recorder.ts';

const STOP_MS = 3_000;

/** Has a command carried out; throws where it is refused. */
export type Propose = (draft: Pick<Draft, 'kind' | 'args'>) => Promise<unknown>;

export interface ActiveRunsOptions {
  /** This instance's name, and which life of it this is. */
  self: string;
  boot: string;
  /** As the audit log names this instance. */
  actor: string;
  state: State;
  metrics: Pick<Metrics, 'schedule'>;
  sources: QuerySources;
  recorder: RunRecorder;
  log(line: string): void;
}

/** The runs under way on this instance. */
export interface ActiveRuns {
  /** Whether a run of this schedule is under way here. */
  has(schedule: string): boolean;
  size(): number;
  /** Runs that were due, and not asked for by a user. */
  due(): number;
  /**
   * Begins a run, due or asked for by a user, and sees to it; of a repetition the first time counts.
   * @returns its number @throws what `propose` throws
   */
  begin(
    schedule: ScheduleRow,
    propose: Propose,
    when: { due: number; user?: undefined } | { due: null; user: string },
  ): Promise<number>;
  /** Begins a run that is due; stops a schedule whose owner may not run it. Never throws. */
  beginDue(schedule: ScheduleRow): Promise<void>;
  /** Ends each run whose schedule was deleted or stopped, or that is said to be lost. */
  endUnwanted(db: Store): void;
  /** Ends all; resolves when their ends are recorded, or after 3 s. */
  stop(): Promise<void>;
}

interface ActiveRun {
  /** Undefined until the state has begun it. */
  number: number | undefined;
  user: string | undefined;
  abort: AbortController;
  over: Promise<void>;
}

/** Creates the set of one instance's runs, empty. */
export function createActiveRuns(options: ActiveRunsOptions): ActiveRuns {
  const { self, boot, actor, state, metrics, log } = options;
  /** By schedule. */
  const active = new Map<string, ActiveRun>();
  let stopped = false;

  const begin: ActiveRuns['begin'] = async (schedule, propose, { due, user }) => {
    const abort = new AbortController();
    const over = Promise.withResolvers<void>();
    const mine: ActiveRun = { number: undefined, user, abort, over: over.promise };
    active.set(schedule.id, mine);
    const done = (): void => {
      active.delete(schedule.id);
      over.resolve();
    };
    let run: ScheduleRunRow | undefined;
    let number: number;
    try {
      ({ number } = (await propose({
        kind: 'schedule.begin',
        args: { schedule: schedule.id, number: schedule.number + 1, runner: self, boot, due },
      })) as { number: number });
      run = runByNumber(state.replica().db, schedule.id, number);
    } catch (error) {
      done();
      throw error;
    }
    // A repetition of a command that another instance has carried out: that one runs it.
    if (run?.runner !== self || run.boot !== boot || run.state !== 'running') {
      done();
      return number;
    }
    mine.number = number;
    void executeRun({ ...options, stopping: () => stopped }, { schedule, number, user, signal: abort.signal })
      .catch((error: Error) =>
        log(`schedules: the end of run ${number} of ${schedule.id} was not recorded: ${error.message}`),
      )
      .finally(done);
    return number;
  };

  return {
    has: (schedule) => active.has(schedule),
    size: () => active.size,
    due: () => [...active.values()].filter((a) => a.user === undefined).length,
    begin,
    beginDue: (schedule) =>
      begin(schedule, proposeAs(actor, state, metrics), { due: schedule.next_at })
        .then(() => undefined)
        .catch((error: Error) => notBegun(error, schedule, options))
        .catch((error: Error) => log(`schedules: ${schedule.id} was not stopped: ${error.message}`)),
    endUnwanted(db) {
      for (const [id, { number, abort }] of active) {
        const schedule = scheduleById(db, id);
        if (number === undefined || (schedule?.running === number && schedule.state !== 'stopped')) {
          continue;
        }
        abort.abort(new Error(schedule === undefined ? 'It was deleted.' : schedule.reason));
      }
    },
    async stop() {
      stopped = true;
      for (const { abort } of active.values()) {
        abort.abort(new Error('this instance stops'));
      }
      await Promise.race([
        Promise.all([...active.values()].map((a) => a.over)),
        new Promise((resolve) => setTimeout(resolve, STOP_MS).unref()),
      ]);
    },
  };
}

/** Proposes the begin of a due run in this instance's name. */
const proposeAs =
  (actor: string, state: State, metrics: ActiveRunsOptions['metrics']): Propose =>
  async (draft) => {
    const { result } = await state.replica().propose({ ...draft, actor });
    if (!result.ok) {
      throw new Refused(result.code, result.message);
    }
    metrics.schedule('missed', (result.value as { missed: number }).missed);
    return result.value;
  };

/** Stops a schedule whose run was refused for its owner's rights. @throws Failure where that cannot be recorded */
async function notBegun(
  error: Error,
  schedule: ScheduleRow,
  { actor, state, recorder, log }: ActiveRunsOptions,
): Promise<void> {
  // Another instance was first, or somebody has changed it.
  if (!(error instanceof Refused)) {
    return log(`schedules: ${schedule.id} was not begun: ${error.message}`);
  }
  if (error.code === 'denied' && scheduleById(state.replica().db, schedule.id)?.state === 'enabled') {
    await recorder.tell(
      { kind: 'schedule.state', actor, args: { id: schedule.id, state: 'stopped', reason: error.message } },
      0,
    );
  }
}

class Refused extends Error {
  override name = 'Refused';
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}
