import { z } from 'zod';
import { details, title } from '../store/fields.ts';
import { timestampShape, versionShape } from './shapes.ts';

export const savedQuerySchema = z.object({
  id: z.string(),
  owner: z.string(),
  name: z.string(),
  sql: z.string(),
  details: z.record(z.string(), z.json()),
  updatedAt: timestampShape,
  version: versionShape,
});
export type SavedQuery = z.infer<typeof savedQuerySchema>;
export const savedQueryBody = z.strictObject({
  name: title,
  sql: z
    .string()
    .min(1)
    .max(64 * 1024),
  details: details.default({}),
  expect: versionShape.optional(),
});
