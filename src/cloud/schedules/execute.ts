import { querySchema } from '../../api/queries.ts';
import type { Store } from '../../store/database.ts';
import type { SavedQueryRow, ScheduleRow } from '../../store/rows.ts';
import { KEEP_BYTES } from '../../store/schedule-limits.ts';
import { scopesOf, type Caller } from '../auth/access.ts';
import { queryFor, type QuerySources } from '../query-start.ts';
import { collectRun, ended, type RunEnd } from '../schedule-run.ts';
import { one, userByName } from '../state/read.ts';
import type { State } from '../state/state.ts';
import type { RunRecorder } from './recorder.ts';

/** Beyond the statement's own time, after which a run is ended. */
export const OVERTIME_MS = 30_000;

export interface RunExecution {
  /** This instance's name. */
  self: string;
  state: State;
  sources: QuerySources;
  recorder: RunRecorder;
  /** Whether this instance is being stopped, so that a run that fails is lost and not failed. */
  stopping(): boolean;
}

export interface BegunRun {
  schedule: ScheduleRow;
  number: number;
  /** The user who asked for it, among whose queries it counts; undefined for a run that was due. */
  user: string | undefined;
  signal: AbortSignal;
}

/** Runs a schedule's query, keeps its lines and records its end. @throws Failure where the end cannot be recorded */
export async function executeRun(
  { self, state, sources, recorder, stopping }: RunExecution,
  { schedule, number, user, signal }: BegunRun,
): Promise<void> {
  const { timeoutMs, maxRows } = JSON.parse(schedule.limits) as { timeoutMs: number; maxRows: number };
  const collected = collectRun();
  let end: RunEnd;
  try {
    const { db } = state.replica();
    const sql = schedule.sql ?? one<SavedQueryRow>(db, 'SELECT * FROM saved_queries WHERE id = ?', schedule.query)?.sql;
    if (sql === undefined) {
      throw new Error(`There is no saved query ${schedule.query} any more.`);
    }
    const { proxy, spec } = queryFor(
      sources,
      ownerOf(schedule, db),
      querySchema.parse({
        ...(JSON.parse(schedule.target) as object),
        sql,
        timeoutMs,
        maxRows,
        maxBytes: KEEP_BYTES,
      }),
      user,
    );
    if (spec.satellites.length === 0) {
      throw new Error('No satellite that is heard fits the choice.');
    }
    await proxy.run(spec, collected.sink, AbortSignal.any([signal, AbortSignal.timeout(timeoutMs + OVERTIME_MS)]));
    end = await recorder.keep(schedule.id, number, collected, collected.end());
  } catch (error) {
    if (stopping()) {
      return recorder.finish(schedule.id, number, ended('lost', `The instance ${self} was stopped.`), 0);
    }
    end = ended('failed', (error as Error).name === 'TimeoutError' ? 'It took too long.' : (error as Error).message);
  }
  await recorder.finish(schedule.id, number, end);
}

/** The caller that a schedule's query runs as: its owner, with the rights they have now. @throws Error */
function ownerOf(schedule: ScheduleRow, db: Store): Caller {
  const user = userByName(db, schedule.owner);
  if (user === undefined || user.disabled === 1 || !scopesOf(user.role).includes('query')) {
    throw new Error(`Its owner ${schedule.owner} may not query.`);
  }
  return {
    user: user.name,
    role: user.role,
    scopes: new Set(scopesOf(user.role)),
    actor: `schedule/${schedule.id}`,
    passwordChange: 'none',
  };
}
