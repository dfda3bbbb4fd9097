import { z } from 'zod';

/** One page of a list; `next` is the cursor of the next one, null at the end. */
export interface Page<T> {
  items: T[];
  next: string | null;
}

/** Returns the schema of a page of such items. */
export function pageOf<T>(item: z.ZodType<T>): z.ZodType<Page<T>> {
  return z.object({ items: z.array(item), next: z.string().nullable() });
}
