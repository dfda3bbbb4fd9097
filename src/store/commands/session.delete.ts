import { z } from 'zod';
import { endedSession } from '../ended-access.ts';
import { secretHash, userName } from '../fields.ts';
import { defineCommand, refuse } from '../kind.ts';

/** Ends one session, or all of a user's. */
export const command = defineCommand({
  since: 2,
  args: z.union([z.strictObject({ id: secretHash }), z.strictObject({ user: userName })]),
  apply(tx, { args }) {
    const sessions =
      'id' in args
        ? tx.all<{ id: string; user: string }>('SELECT id, user FROM sessions WHERE id = ?', args.id)
        : tx.all<{ id: string; user: string }>('SELECT id, user FROM sessions WHERE user = ? ORDER BY id', args.user);
    if ('id' in args && sessions.length === 0) {
      refuse('not-found', 'There is no such session.');
    }
    for (const { id } of sessions) {
      tx.run('DELETE FROM sessions WHERE id = ?', id);
    }
    return { value: sessions.length, changes: sessions.map(endedSession) };
  },
});
