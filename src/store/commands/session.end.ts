import { z } from 'zod';
import { time } from '../fields.ts';
import { defineCommand } from '../kind.ts';

/** Ends a session before its time; forgets those that have expired by themselves. */
export const command = defineCommand({
  since: 1,
  args: z.strictObject({ id: z.string().min(1).max(128), user: z.string().max(128), expiresAt: time }),
  apply(tx, { args, at }) {
    tx.run('DELETE FROM ended_sessions WHERE expires_at < ?', at);
    tx.run('INSERT INTO ended_sessions (id, expires_at) VALUES (?, ?) ON CONFLICT (id) DO NOTHING', args.id, args.expiresAt);
    return { changes: [{ resource: `session/${args.user}`, before: null, after: { endedBefore: args.expiresAt } }] };
  },
});
