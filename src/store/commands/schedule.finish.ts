import { z } from 'zod';
import { resourceId, why } from '../fields.ts';
import { defineCommand, refuse } from '../kind.ts';
import { MAX_FAILURES, SCHEDULES_SCHEMA } from '../schedule-limits.ts';
import { timeAfter, timesBetween } from '../schedule-times.ts';
import { readRun, readSchedule } from '../schedules.ts';

const count = z.int().nonnegative();

/**
 * A run is over; `lost`: the instance that ran it is gone, as another one says, and a run that was due is begun once
 * more. The times that have passed while it ran are skipped, and counted.
 */
export const command = defineCommand({
  since: SCHEDULES_SCHEMA,
  audited: false,
  args: z.strictObject({
    schedule: resourceId,
    number: z.int().positive(),
    state: z.enum(['done', 'partial', 'failed', 'lost']),
    reason: why,
    counts: z.partialRecord(z.enum(['rows', 'empty', 'error', 'lost', 'denied']), count),
    failures: z
      .array(z.strictObject({ satellite: z.string().max(253), state: z.string().max(20), message: why }))
      .max(MAX_FAILURES),
    rows: count,
    bytes: count,
    kept: count,
    cut: z.enum(['', 'rows', 'bytes', 'rate']),
  }),
  apply(tx, { args, at }) {
    const { schedule, number, state } = args;
    const before = readSchedule(tx, schedule);
    const run = readRun(tx, schedule, number);
    if (before === undefined || run === undefined) {
      refuse('not-found', `There is no run ${number} of a schedule ${schedule}.`);
    }
    if (run.state !== 'running') {
      refuse('version-conflict', `Run ${number} of the schedule ${schedule} is over: ${run.state}.`);
    }
    tx.run(
      'UPDATE schedule_runs SET position = ?, ended_at = ?, state = ?, reason = ?, counts = ?, failures = ?, rows ' +
        '= ?, bytes = ?, kept = ?, cut = ? WHERE schedule = ? AND number = ?',
      tx.position,
      at,
      state,
      args.reason,
      JSON.stringify(args.counts),
      JSON.stringify(args.failures),
      args.rows,
      args.bytes,
      args.kept,
      args.cut,
      schedule,
      number,
    );
    // What a run that was broken off had brought is half of something.
    if (Object.keys(args.counts).length === 0 && run.packed > 0) {
      tx.run('DELETE FROM schedule_rows WHERE schedule = ? AND number = ?', schedule, number);
      tx.run('UPDATE schedule_runs SET packed = 0 WHERE schedule = ? AND number = ?', schedule, number);
    }
    const again = state === 'lost' && run.cause === 'due' && before.state === 'enabled';
    const passed = !again && before.state === 'enabled' && before.next_at <= at;
    const skipped = passed
      ? 1 + timesBetween(before.anchor, before.interval_ms, Math.max(before.next_at, before.anchor), at)
      : 0;
    let next = before.next_at;
    if (again) {
      next = at;
    } else if (passed) {
      next = timeAfter(before.anchor, before.interval_ms, at);
    }
    tx.run(
      `UPDATE schedules SET running = 0, again = ?, next_at = ?, skipped = skipped + ?, ${state} = ${state} + 1 ` +
        'WHERE id = ?',
      again ? 1 : before.again,
      next,
      skipped,
      schedule,
    );
    return { value: { skipped }, changes: [] };
  },
});
