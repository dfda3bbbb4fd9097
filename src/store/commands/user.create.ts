import { z } from 'zod';
import { role, userName } from '../fields.ts';
import { defineCommand, refuse } from '../kind.ts';
import type { UserRow } from '../rows.ts';
import { viewUser } from '../views.ts';

export const command = defineCommand({
  since: 1,
  args: z.strictObject({
    name: userName,
    role,
    passwordHash: z.string().min(1).max(512),
    mustChangePassword: z.boolean(),
  }),
  apply(tx, { args, at }) {
    if (tx.get('SELECT 1 FROM users WHERE name = ?', args.name) !== undefined) {
      refuse('exists', `There is a user ${args.name} already.`);
    }
    tx.run(
      'INSERT INTO users (name, role, password_hash, must_change, disabled, created_at, password_at, version) ' +
        'VALUES (?, ?, ?, ?, 0, ?, ?, ?)',
      args.name,
      args.role,
      args.passwordHash,
      args.mustChangePassword ? 1 : 0,
      at,
      at,
      tx.position,
    );
    return {
      changes: [
        {
          resource: `user/${args.name}`,
          before: null,
          after: viewUser(tx.get<UserRow>('SELECT * FROM users WHERE name = ?', args.name)),
        },
      ],
    };
  },
});
