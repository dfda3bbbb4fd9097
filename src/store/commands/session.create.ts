import { z } from 'zod';
import { endedSession } from '../ended-access.ts';
import { secretHash, time, userName } from '../fields.ts';
import { defineCommand, refuse } from '../kind.ts';
import type { UserRow } from '../rows.ts';

/** Sessions that a user may have at once; the oldest give way. */
const AT_ONCE = 50;

export const command = defineCommand({
  since: 2,
  args: z.strictObject({ id: secretHash, user: userName, address: z.string().max(64), expiresAt: time }),
  apply(tx, { args, at }) {
    const user = tx.get<UserRow>('SELECT * FROM users WHERE name = ?', args.user);
    if (user === undefined || user.disabled === 1) {
      refuse('denied', `${args.user} may not log in.`);
    }
    tx.run('DELETE FROM sessions WHERE expires_at < ?', at);
    const oldest = tx.all<{ id: string; user: string }>(
      'SELECT id, user FROM sessions WHERE user = ? ORDER BY created_at DESC, id LIMIT -1 OFFSET ?',
      args.user,
      AT_ONCE - 1,
    );
    for (const { id } of oldest) {
      tx.run('DELETE FROM sessions WHERE id = ?', id);
    }
    if (
      tx.run(
        'INSERT INTO sessions (id, user, address, created_at, expires_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) ' +
          'DO NOTHING',
        args.id,
        args.user,
        args.address,
        at,
        args.expiresAt,
      ) === 0
    ) {
      refuse('exists', 'There is such a session already.');
    }
    return {
      changes: [
        {
          resource: `session/${args.id}`,
          before: null,
          after: { user: args.user, address: args.address, expiresAt: args.expiresAt },
        },
        ...oldest.map(endedSession),
      ],
    };
  },
});
