import { z } from 'zod';
import { resourceId, userName, why } from '../fields.ts';
import { defineCommand, refuse } from '../kind.ts';
import { SCHEDULES_SCHEMA } from '../schedule-limits.ts';
import { firstTime } from '../schedule-times.ts';
import { readOwner, readSchedule, viewSchedule, whyNot } from '../schedules.ts';

/** Pauses, resumes or stops a schedule. Who resumes one whose owner is gone becomes its owner. */
export const command = defineCommand({
  since: SCHEDULES_SCHEMA,
  args: z.strictObject({
    id: resourceId,
    state: z.enum(['enabled', 'paused', 'stopped']),
    reason: why,
    owner: userName.optional(),
  }),
  apply(tx, { args, at }) {
    const before = readSchedule(tx, args.id);
    if (before === undefined) {
      refuse('not-found', `There is no schedule ${args.id}.`);
    }
    const owner = args.owner ?? before.owner;
    const reason = args.state === 'stopped' ? undefined : whyNot(owner, readOwner(tx, owner));
    if (reason !== undefined) {
      refuse('denied', `The schedule ${args.id} could not run: ${reason}`);
    }
    const begins = args.state === 'enabled' && before.state !== 'enabled';
    const anchor = begins ? firstTime(args.id, before.interval_ms, at) : before.anchor;
    tx.run(
      'UPDATE schedules SET state = ?, reason = ?, owner = ?, anchor = ?, next_at = ?, again = 0, updated_at = ?, ' +
        'version = ? WHERE id = ?',
      args.state,
      args.reason,
      owner,
      anchor,
      begins ? anchor : before.next_at,
      at,
      tx.position,
      args.id,
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
