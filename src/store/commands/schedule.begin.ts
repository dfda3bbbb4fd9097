import { z } from 'zod';
import { resourceId, time } from '../fields.ts';
import { defineCommand, refuse } from '../kind.ts';
import { KEEP_RUNS, SCHEDULES_SCHEMA } from '../schedule-limits.ts';
import { timeAfter, timesBetween } from '../schedule-times.ts';
import { readOwner, readSchedule, whyNot } from '../schedules.ts';

/**
 * Run `number` of a schedule begins, on the instance that proposes this. Of two that both think it is theirs, one gets
 * this number; the other is refused, as it is while a run is under way. Times that have passed meanwhile are this one
 * run's.
 */
export const command = defineCommand({
  since: SCHEDULES_SCHEMA,
  audited: false,
  args: z.strictObject({
    schedule: resourceId,
    number: z.int().positive(),
    runner: z.string().min(1).max(253),
    boot: z.string().min(1).max(64),
    /** The time that the proposer has seen as the next; null: somebody asks for a run now. */
    due: time.nullable(),
  }),
  apply(tx, { args, at, actor }) {
    const before = readSchedule(tx, args.schedule);
    if (before === undefined) {
      refuse('not-found', `There is no schedule ${args.schedule}.`);
    }
    if (before.running !== 0) {
      refuse('exists', `Run ${before.running} of the schedule ${args.schedule} is under way.`);
    }
    if (before.number !== args.number - 1 || (args.due !== null && before.next_at !== args.due)) {
      refuse('version-conflict', `Run ${args.number} of the schedule ${args.schedule} is not the next any more.`);
    }
    const reason = whyNot(before.owner, readOwner(tx, before.owner));
    if (reason !== undefined) {
      refuse('denied', `The schedule ${args.schedule} may not run: ${reason}`);
    }
    if (before.state === 'stopped' || (args.due !== null && before.state !== 'enabled')) {
      refuse(
        'denied',
        `The schedule ${args.schedule} is ${before.state}${before.reason === '' ? '' : `: ${before.reason}`}.`,
      );
    }
    const missed =
      args.due === null ? 0 : timesBetween(before.anchor, before.interval_ms, Math.max(args.due, before.anchor), at);
    const next = args.due === null ? before.next_at : timeAfter(before.anchor, before.interval_ms, at);
    const dueCause = before.again === 1 ? 'again' : 'due';
    const cause = args.due === null ? 'asked' : dueCause;
    tx.run(
      `INSERT INTO schedule_runs (schedule, number, position, due_at, begun_at, ended_at, runner, boot, cause, actor,
        state, reason, counts, failures, rows, bytes, kept, packed, cut)
      VALUES (?, ?, ?, ?, ?, NULL, ?, ?, ?, ?, 'running', '', '{}', '[]', 0, 0, 0, 0, '')`,
      args.schedule,
      args.number,
      tx.position,
      args.due ?? at,
      at,
      args.runner,
      args.boot,
      cause,
      actor,
    );
    tx.run('DELETE FROM schedule_runs WHERE schedule = ? AND number <= ?', args.schedule, args.number - KEEP_RUNS);
    tx.run(
      'UPDATE schedules SET number = ?, running = ?, next_at = ?, again = ?, missed = missed + ? WHERE id = ?',
      args.number,
      args.number,
      next,
      args.due === null ? before.again : 0,
      missed,
      args.schedule,
    );
    return { value: { number: args.number, missed }, changes: [] };
  },
});
