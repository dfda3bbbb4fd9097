import { z } from 'zod';
import { resourceId, tags, title, userName } from '../fields.ts';
import { defineCommand, refuse } from '../kind.ts';
import { MAX_INTERVAL_MS, MAX_SCHEDULES, MIN_INTERVAL_MS, SCHEDULES_SCHEMA } from '../schedule-limits.ts';
import { firstTime } from '../schedule-times.ts';
import { readOwner, readSchedule, viewSchedule, whyNot } from '../schedules.ts';

/** Creates or replaces. Its times stay, unless the interval changes or it begins to run again. */
export const command = defineCommand({
  since: SCHEDULES_SCHEMA,
  args: z
    .strictObject({
      id: resourceId,
      owner: userName,
      name: title,
      sql: z
        .string()
        .min(1)
        .max(64 * 1024)
        .nullable(),
      query: resourceId.nullable(),
      target: z.strictObject({
        satellites: z.array(z.string().min(1).max(63)).min(1).max(1000).optional(),
        tags: tags.optional(),
      }),
      limits: z.strictObject({ timeoutMs: z.int().positive(), maxRows: z.int().positive() }),
      intervalMs: z.int().min(MIN_INTERVAL_MS).max(MAX_INTERVAL_MS),
      paused: z.boolean(),
    })
    .refine((a) => (a.sql === null) !== (a.query === null), 'either sql or query'),
  apply(tx, { args, at }) {
    const before = readSchedule(tx, args.id);
    const reason = whyNot(args.owner, readOwner(tx, args.owner));
    if (reason !== undefined) {
      refuse('denied', `The schedule ${args.id} could not run: ${reason}`);
    }
    if (
      before === undefined &&
      (tx.get<{ n: number }>('SELECT count(*) AS n FROM schedules')?.n ?? 0) >= MAX_SCHEDULES
    ) {
      refuse('denied', `There are ${MAX_SCHEDULES} schedules already, which are the most.`);
    }
    const keeps = before !== undefined && before.state === 'enabled' && before.interval_ms === args.intervalMs;
    const anchor = keeps ? before.anchor : firstTime(args.id, args.intervalMs, at);
    tx.run(
      `INSERT INTO schedules (id, owner, name, sql, query, target, limits, interval_ms, state, reason, created_at,
        updated_at, anchor, next_at, again, number, running, done, partial, failed, lost, skipped, missed, version)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, '', ?, ?, ?, ?, ?, 0, 0, 0, 0, 0, 0, 0, 0, ?)
      ON CONFLICT (id) DO UPDATE SET
        owner = excluded.owner, name = excluded.name, sql = excluded.sql, query = excluded.query,
        target = excluded.target, limits = excluded.limits,
        interval_ms = excluded.interval_ms, state = excluded.state, reason = '', updated_at = excluded.updated_at,
        anchor = excluded.anchor, next_at = excluded.next_at, again = excluded.again, version = excluded.version`,
      args.id,
      args.owner,
      args.name,
      args.sql,
      args.query,
      JSON.stringify(args.target),
      JSON.stringify(args.limits),
      args.intervalMs,
      args.paused ? 'paused' : 'enabled',
      at,
      at,
      anchor,
      keeps ? before.next_at : anchor,
      keeps ? before.again : 0,
      tx.position,
    );
    return {
      changes: [
        {
          resource: `schedule/${args.id}`,
          before: viewSchedule(before),
          after: viewSchedule(readSchedule(tx, args.id)),
        },
      ],
    };
  },
});
