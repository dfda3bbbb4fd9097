import { z } from 'zod';
import { resourceId, time } from '../fields.ts';
import { defineCommand, refuse } from '../kind.ts';
import type { TokenRow } from '../rows.ts';
import { viewToken } from '../views.ts';

/** Moves a token's end; never to an earlier time. */
export const command = defineCommand({
  since: 2,
  args: z.strictObject({ id: resourceId, expiresAt: time }),
  apply(tx, { args }) {
    const before = tx.get<TokenRow>('SELECT * FROM tokens WHERE id = ?', args.id);
    if (before === undefined) {
      refuse('not-found', `There is no token ${args.id}.`);
    }
    if (args.expiresAt <= before.expires_at) {
      return { changes: [] };
    }
    tx.run('UPDATE tokens SET expires_at = ?, version = ? WHERE id = ?', args.expiresAt, tx.position, args.id);
    return {
      changes: [
        {
          resource: `token/${args.id}`,
          before: viewToken(before),
          after: viewToken(tx.get<TokenRow>('SELECT * FROM tokens WHERE id = ?', args.id)),
        },
      ],
    };
  },
});
