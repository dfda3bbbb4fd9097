import { z } from 'zod';
import { keepAnAdministrator } from '../administrators.ts';
import { watchAccess } from '../ended-access.ts';
import { userName } from '../fields.ts';
import { defineCommand, refuse } from '../kind.ts';
import type { UserRow } from '../rows.ts';
import { stopSchedulesOf } from '../schedules.ts';
import { viewUser } from '../views.ts';

/** The user's API tokens and sessions go too; saved queries stay, schedules stop. */
export const command = defineCommand({
  since: 1,
  args: z.strictObject({ name: userName }),
  apply(tx, { args }) {
    const before = tx.get<UserRow>('SELECT * FROM users WHERE name = ?', args.name);
    if (before === undefined) {
      refuse('not-found', `There is no user ${args.name}.`);
    }
    const ended = watchAccess(tx, args.name);
    tx.run('DELETE FROM users WHERE name = ?', args.name);
    keepAnAdministrator(tx);
    return {
      changes: [
        { resource: `user/${args.name}`, before: viewUser(before), after: null },
        ...ended(),
        ...stopSchedulesOf(tx, args.name),
      ],
    };
  },
});
