import { z } from 'zod';
import { resourceId, secretHash, tags, time } from '../fields.ts';
import { defineCommand, refuse } from '../kind.ts';
import type { EnrolmentTokenRow } from '../rows.ts';
import { viewEnrolment } from '../views.ts';

/** A token by which satellites enrol, `uses` of them until it expires. They get its tags. */
export const command = defineCommand({
  since: 1,
  args: z.strictObject({ id: resourceId, hash: secretHash, tags, uses: z.int().min(1).max(100_000), expiresAt: time }),
  apply(tx, { args, at, actor }) {
    if (tx.get('SELECT 1 FROM enrolment_tokens WHERE id = ? OR hash = ?', args.id, args.hash) !== undefined) {
      refuse('exists', 'There is such an enrolment token already.');
    }
    tx.run('DELETE FROM enrolment_tokens WHERE expires_at < ?', at - 24 * 3_600_000);
    tx.run(
      'INSERT INTO enrolment_tokens (id, hash, tags, uses_left, created_at, expires_at, created_by, version) ' +
        'VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
      args.id,
      args.hash,
      JSON.stringify(args.tags),
      args.uses,
      at,
      args.expiresAt,
      actor,
      tx.position,
    );
    return {
      changes: [
        {
          resource: `enrolment/${args.id}`,
          before: null,
          after: viewEnrolment(tx.get<EnrolmentTokenRow>('SELECT * FROM enrolment_tokens WHERE id = ?', args.id)),
        },
      ],
    };
  },
});
