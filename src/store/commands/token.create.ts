import { z } from 'zod';
import { resourceId, secretHash, time, title, userName } from '../fields.ts';
import { defineCommand, refuse } from '../kind.ts';
import type { TokenRow } from '../rows.ts';
import { viewToken } from '../views.ts';

export const command = defineCommand({
  since: 1,
  args: z.strictObject({
    id: resourceId,
    owner: userName,
    name: title,
    hash: secretHash,
    scope: z.array(z.string().min(1).max(100)).max(50),
    expiresAt: time,
  }),
  apply(tx, { args, at }) {
    if (tx.get('SELECT 1 FROM users WHERE name = ?', args.owner) === undefined) {
      refuse('not-found', `There is no user ${args.owner}.`);
    }
    if (tx.get('SELECT 1 FROM tokens WHERE id = ? OR hash = ?', args.id, args.hash) !== undefined) {
      refuse('exists', 'There is such a token already.');
    }
    tx.run(
      'INSERT INTO tokens (id, owner, name, hash, scope, created_at, expires_at, version) VALUES (?, ?, ?, ?, ?, ' +
        '?, ?, ?)',
      args.id,
      args.owner,
      args.name,
      args.hash,
      JSON.stringify(args.scope),
      at,
      args.expiresAt,
      tx.position,
    );
    return {
      changes: [
        {
          resource: `token/${args.id}`,
          before: null,
          after: viewToken(tx.get<TokenRow>('SELECT * FROM tokens WHERE id = ?', args.id)),
        },
      ],
    };
  },
});
