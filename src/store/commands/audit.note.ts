import { z } from 'zod';
import { json } from '../fields.ts';
import { defineCommand } from '../kind.ts';

/**
 * What is to be in the audit log without being a change of this state: an upgrade that was started, a refused login of
 * note.
 */
export const command = defineCommand({
  since: 1,
  args: z.strictObject({ resource: z.string().min(1).max(300), before: json(4), after: json(4) }),
  apply: (_, { args }) => ({ changes: [{ resource: args.resource, before: args.before, after: args.after }] }),
});
