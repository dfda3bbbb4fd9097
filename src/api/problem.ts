import { z } from 'zod';

/** RFC 9457, application/problem+json. */
export const problemSchema = z.object({
  /** `urn:terrarium:problem:<code>`, stable. */
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string().exactOptional(),
  errors: z.array(z.object({ path: z.string(), message: z.string() })).exactOptional(),
  /** Of this request, as in the header X-Request-Id and the cloud's log. */
  requestId: z.string().exactOptional(),
});
export type Problem = z.infer<typeof problemSchema>;
