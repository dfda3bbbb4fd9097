import { z } from 'zod';
import { defineCommand, refuse } from '../kind.ts';
import type { DirectAuthorityRow } from '../rows.ts';

/**
 * Keeps the authority of direct queries in a zone, made by the proposer. Two instances may make one at once: the second
 * is refused and takes the first's.
 */
export const command = defineCommand({
  since: 3,
  args: z.strictObject({
    zone: z.string().min(1).max(200),
    certificate: z.string().min(1).max(8192),
    key: z.string().min(1).max(4096),
    /** The certificate that it replaces, because that one ends. */
    replaces: z.string().max(8192).nullable(),
  }),
  apply(tx, { args, at }) {
    const before = tx.get<DirectAuthorityRow>('SELECT * FROM direct_authorities WHERE zone = ?', args.zone);
    if ((before?.certificate ?? null) !== args.replaces) {
      refuse('exists', `There is another authority of ${args.zone} already.`);
    }
    tx.run(
      'INSERT INTO direct_authorities (zone, certificate, key, created_at, version) VALUES (?, ?, ?, ?, ?) ON ' +
        'CONFLICT (zone) DO UPDATE SET certificate = excluded.certificate, key = excluded.key, created_at = ' +
        'excluded.created_at, version = excluded.version',
      args.zone,
      args.certificate,
      args.key,
      at,
      tx.position,
    );
    return {
      changes: [
        {
          resource: `direct-authority/${args.zone}`,
          before: before === undefined ? null : { certificate: before.certificate },
          after: { certificate: args.certificate },
        },
      ],
    };
  },
});
