import { z } from 'zod';
import { watchAccess } from '../ended-access.ts';
import { userName } from '../fields.ts';
import { defineCommand, refuse } from '../kind.ts';
import type { UserRow } from '../rows.ts';
import { viewUser } from '../views.ts';

/**
 * A new password, which ends all of the user's sessions. Its time never goes backwards, whatever the proposer's clock
 * says.
 */
export const command = defineCommand({
  since: 2,
  args: z.strictObject({ name: userName, passwordHash: z.string().min(1).max(512), mustChangePassword: z.boolean() }),
  apply(tx, { args, at }) {
    const before = tx.get<UserRow>('SELECT * FROM users WHERE name = ?', args.name);
    if (before === undefined) {
      refuse('not-found', `There is no user ${args.name}.`);
    }
    const ended = watchAccess(tx, args.name);
    tx.run(
      'UPDATE users SET password_hash = ?, password_at = ?, must_change = ?, version = ? WHERE name = ?',
      args.passwordHash,
      Math.max(at, before.password_at + 1),
      args.mustChangePassword ? 1 : 0,
      tx.position,
      args.name,
    );
    return {
      changes: [
        {
          resource: `user/${args.name}`,
          before: viewUser(before),
          after: viewUser(tx.get<UserRow>('SELECT * FROM users WHERE name = ?', args.name)),
        },
        ...ended(),
      ],
    };
  },
});
