import { z } from 'zod';
import { defineCommand } from '../kind.ts';

/**
 * Proposed only when all registered instances support it: one that does not stops here, until it runs a release that
 * does.
 */
export const command = defineCommand({
  since: 0,
  args: z.strictObject({ version: z.int().positive() }),
  apply(tx, { args }) {
    tx.activateSchema(args.version);
    return { changes: [{ resource: 'schema/active', before: null, after: args.version }] };
  },
});
