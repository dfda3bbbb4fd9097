import { z } from 'zod';
import { keepAnAdministrator } from '../administrators.ts';
import { watchAccess } from '../ended-access.ts';
import { role, userName } from '../fields.ts';
import { defineCommand, refuse } from '../kind.ts';
import type { UserRow } from '../rows.ts';
import { stopSchedulesOf } from '../schedules.ts';
import { viewUser } from '../views.ts';

/** What is not given stays. Schedules of one who may not query any more stop. */
export const command = defineCommand({
  since: 1,
  args: z.strictObject({
    name: userName,
    role: role.optional(),
    passwordHash: z.string().min(1).max(512).optional(),
    mustChangePassword: z.boolean().optional(),
    disabled: z.boolean().optional(),
  }),
  apply(tx, { args, at }) {
    const before = tx.get<UserRow>('SELECT * FROM users WHERE name = ?', args.name);
    if (before === undefined) {
      refuse('not-found', `There is no user ${args.name}.`);
    }
    const ended = watchAccess(tx, args.name);
    tx.run(
      'UPDATE users SET role = ?, password_hash = ?, password_at = ?, must_change = ?, disabled = ?, version = ? ' +
        'WHERE name = ?',
      args.role ?? before.role,
      args.passwordHash ?? before.password_hash,
      args.passwordHash === undefined ? before.password_at : at,
      Number(args.mustChangePassword ?? before.must_change),
      Number(args.disabled ?? before.disabled),
      tx.position,
      args.name,
    );
    keepAnAdministrator(tx);
    return {
      changes: [
        {
          resource: `user/${args.name}`,
          before: viewUser(before),
          after: viewUser(tx.get<UserRow>('SELECT * FROM users WHERE name = ?', args.name)),
        },
        ...ended(),
        ...stopSchedulesOf(tx, args.name),
      ],
    };
  },
});
