import type { Change, Json, Tx } from './kind.ts';
import type { ScheduleRow, ScheduleRunRow, UserRow } from './rows.ts';
import { SCHEDULES_SCHEMA } from './schedule-limits.ts';

/**
 * Whether a schedule of this user may run; the API's `query` right (src/cloud/auth/access.ts) as far as the state has
 * to know it.
 */
export function mayQuery(owner: Pick<UserRow, 'role' | 'disabled'> | undefined): boolean {
  return owner !== undefined && owner.disabled === 0 && owner.role !== 'viewer';
}

/** Why a user's schedules may not run; undefined where they may. */
export function whyNot(name: string, owner: Pick<UserRow, 'role' | 'disabled'> | undefined): string | undefined {
  if (owner === undefined) {
    return `Its owner ${name} has been deleted.`;
  }
  if (owner.disabled === 1) {
    return `Its owner ${name} has been disabled.`;
  }
  return mayQuery(owner) ? undefined : `Its owner ${name} may not query any more.`;
}

export const readSchedule = (tx: Tx, id: string): ScheduleRow | undefined =>
  tx.get<ScheduleRow>('SELECT * FROM schedules WHERE id = ?', id);
export const readRun = (tx: Tx, schedule: string, number: number): ScheduleRunRow | undefined =>
  tx.get<ScheduleRunRow>('SELECT * FROM schedule_runs WHERE schedule = ? AND number = ?', schedule, number);
export const readOwner = (tx: Tx, name: string): UserRow | undefined =>
  tx.get<UserRow>('SELECT * FROM users WHERE name = ?', name);

export const viewSchedule = (row: ScheduleRow | undefined): Json =>
  row === undefined
    ? null
    : {
        owner: row.owner,
        name: row.name,
        sql: row.sql,
        query: row.query,
        target: JSON.parse(row.target) as Json,
        limits: JSON.parse(row.limits) as Json,
        everyMs: row.interval_ms,
        state: row.state,
        reason: row.reason,
      };

/** Stops a user's schedules where he may not query any more; to be called by whatever changes a user. */
export function stopSchedulesOf(tx: Tx, owner: string): Change[] {
  if (tx.schema < SCHEDULES_SCHEMA) {
    return [];
  }
  const reason = whyNot(owner, readOwner(tx, owner));
  if (reason === undefined) {
    return [];
  }
  return tx
    .all<ScheduleRow>("SELECT * FROM schedules WHERE owner = ? AND state <> 'stopped' ORDER BY id", owner)
    .map((before) => {
      tx.run(
        "UPDATE schedules SET state = 'stopped', reason = ?, again = 0, version = ? WHERE id = ?",
        reason,
        tx.position,
        before.id,
      );
      return {
        resource: `schedule/${before.id}`,
        before: viewSchedule(before),
        after: viewSchedule(readSchedule(tx, before.id)),
      };
    });
}
