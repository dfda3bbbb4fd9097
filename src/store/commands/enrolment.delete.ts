import { z } from 'zod';
import { resourceId } from '../fields.ts';
import { defineCommand, refuse } from '../kind.ts';
import type { EnrolmentTokenRow } from '../rows.ts';
import { viewEnrolment } from '../views.ts';

export const command = defineCommand({
  since: 1,
  args: z.strictObject({ id: resourceId }),
  apply(tx, { args }) {
    const before = tx.get<EnrolmentTokenRow>('SELECT * FROM enrolment_tokens WHERE id = ?', args.id);
    if (before === undefined) {
      refuse('not-found', `There is no enrolment token ${args.id}.`);
    }
    tx.run('DELETE FROM enrolment_tokens WHERE id = ?', args.id);
    return { changes: [{ resource: `enrolment/${args.id}`, before: viewEnrolment(before), after: null }] };
  },
});
