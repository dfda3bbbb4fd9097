import { z } from 'zod';
import { timestampShape, versionShape } from './shapes.ts';

export const auditSchema = z.object({
  seq: versionShape,
  id: z.string(),
  at: timestampShape,
  actor: z.string(),
  kind: z.string(),
  /** `ok`, or why it was refused. */
  outcome: z.string(),
  changes: z.array(z.object({ resource: z.string(), before: z.json(), after: z.json() })),
});
export type AuditEntry = z.infer<typeof auditSchema>;
