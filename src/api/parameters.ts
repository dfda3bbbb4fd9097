import { z } from 'zod';
import { resourceId, userName } from '../store/fields.ts';

/** Keys of things in a path. */
export const userParams = z.strictObject({ name: userName });
export const idParams = z.strictObject({ id: resourceId });

/** `?limit=&cursor=` of every list. */
export const pageQuery = {
  limit: z.coerce.number().int().min(1).max(500).default(100),
  cursor: z.string().min(1).max(400).optional(),
};
export const listQuery = z.strictObject(pageQuery);
/** `?expect=` of a deletion. */
export const expectQuery = z.strictObject({ expect: z.coerce.number().int().nonnegative().optional() });
