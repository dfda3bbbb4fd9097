import { z } from 'zod';
import { resourceId } from '../fields.ts';
import { defineCommand, refuse } from '../kind.ts';
import { SCHEDULES_SCHEMA } from '../schedule-limits.ts';
import { readSchedule, viewSchedule } from '../schedules.ts';

/** Its runs and their rows go with it. */
export const command = defineCommand({
  since: SCHEDULES_SCHEMA,
  args: z.strictObject({ id: resourceId }),
  apply(tx, { args }) {
    const before = readSchedule(tx, args.id);
    if (before === undefined) {
      refuse('not-found', `There is no schedule ${args.id}.`);
    }
    tx.run('DELETE FROM schedules WHERE id = ?', args.id);
    return { changes: [{ resource: `schedule/${args.id}`, before: viewSchedule(before), after: null }] };
  },
});
