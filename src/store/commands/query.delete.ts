import { z } from 'zod';
import { resourceId } from '../fields.ts';
import { defineCommand, refuse } from '../kind.ts';
import type { SavedQueryRow } from '../rows.ts';
import { viewQuery } from '../views.ts';

export const command = defineCommand({
  since: 1,
  args: z.strictObject({ id: resourceId }),
  apply(tx, { args }) {
    const before = tx.get<SavedQueryRow>('SELECT * FROM saved_queries WHERE id = ?', args.id);
    if (before === undefined) {
      refuse('not-found', `There is no saved query ${args.id}.`);
    }
    tx.run('DELETE FROM saved_queries WHERE id = ?', args.id);
    return { changes: [{ resource: `query/${args.id}`, before: viewQuery(before), after: null }] };
  },
});
