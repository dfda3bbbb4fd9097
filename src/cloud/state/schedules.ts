import type { Schedule } from '../../api/schedules.ts';
import { Failure } from '../../errors.ts';
import type { Store } from '../../store/database.ts';
import type { ScheduleRow, ScheduleRunRow } from '../../store/rows.ts';
import { SCHEDULES_SCHEMA } from '../../store/schedule-limits.ts';
import { notFound } from '../http/problem.ts';
import { many, one } from './read.ts';
import type { State } from './state.ts';
import { showSchedule } from './views.ts';

/**
 * Where schedules are read from. @throws Failure as `State.replica`, and `store-not-active` while an instance of an
 * older release belongs to the cluster
 */
export function schedulesDb(state: State): Store {
  const replica = state.replica();
  if (replica.status().schema < SCHEDULES_SCHEMA) {
    throw new Failure('store-not-active', 'Schedules are there once all control planes run this release.', {
      remedy: 'Try again when the upgrade is complete.',
    });
  }
  return replica.db;
}

export const scheduleById = (db: Store, id: string): ScheduleRow | undefined =>
  one(db, 'SELECT * FROM schedules WHERE id = ?', id);
export const runByNumber = (db: Store, id: string, number: number): ScheduleRunRow | undefined =>
  one(db, 'SELECT * FROM schedule_runs WHERE schedule = ? AND number = ?', id, number);

/** @throws HttpProblem 404 */
export function knownSchedule(db: Store, id: string): ScheduleRow {
  const row = scheduleById(db, id);
  if (row === undefined) {
    throw notFound(`There is no schedule ${id}.`);
  }
  return row;
}

/** @throws HttpProblem 404 */
export function knownRun(db: Store, id: string, number: number): ScheduleRunRow {
  const run = runByNumber(db, id, number);
  if (run === undefined) {
    throw notFound(`There is no run ${number} of a schedule ${id}; the last 10 are kept.`);
  }
  return run;
}

/** As a GET shows it. */
export const shownSchedule = (db: Store, row: ScheduleRow): Schedule =>
  showSchedule(row, runByNumber(db, row.id, row.number));

/** Of schedules whose runs have changed after a position: where last. */
export const runsAfter = (db: Store, after: number): { schedule: string; position: number }[] =>
  many(
    db,
    'SELECT schedule, max(position) AS position FROM schedule_runs WHERE position > ? GROUP BY schedule ORDER BY 2',
    after,
  );
