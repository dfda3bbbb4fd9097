import { z } from 'zod';
import { resourceId } from '../fields.ts';
import { defineCommand, refuse } from '../kind.ts';
import type { TokenRow } from '../rows.ts';
import { viewToken } from '../views.ts';

export const command = defineCommand({
  since: 1,
  args: z.strictObject({ id: resourceId }),
  apply(tx, { args }) {
    const before = tx.get<TokenRow>('SELECT * FROM tokens WHERE id = ?', args.id);
    if (before === undefined) {
      refuse('not-found', `There is no token ${args.id}.`);
    }
    tx.run('DELETE FROM tokens WHERE id = ?', args.id);
    return { changes: [{ resource: `token/${args.id}`, before: viewToken(before), after: null }] };
  },
});
