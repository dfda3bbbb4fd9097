import { z } from 'zod';

/** Shapes that several kinds of commands share. */
export const userName = z.string().regex(/^[a-z0-9]([a-z0-9._@-]{0,62}[a-z0-9])?$/);
export const role = z.enum(['admin', 'operator', 'viewer']);
/** A node's name, a machine's, or one that a satellite proposes for itself. */
export const satelliteId = z.string().regex(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/);
export const resourceId = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/);
export const title = z.string().min(1).max(200);
export const tags = z
  .record(z.string().regex(/^[A-Za-z0-9]([A-Za-z0-9._/-]{0,62})$/), z.string().max(200))
  .refine((t) => Object.keys(t).length <= 50, 'at most 50 tags');
/** A reason that somebody gives, or that is seen. */
export const why = z.string().max(300);
/** Public Ed25519 key of a user, as nats-server writes it (base32, checksum not looked at). */
export const nkey = z.string().regex(/^U[A-Z2-7]{55}$/);
/** Hexadecimal sha256 of a secret that is stored nowhere. */
export const secretHash = z.string().regex(/^[0-9a-f]{64}$/);
/** Milliseconds since 1970. */
export const time = z.int().nonnegative();
export const access = z.enum(['cloud', 'direct', 'both']);
/**
 * JSON of so many levels of arrays and objects. SQLite takes a thousand in what has to be JSON; a command with more
 * would be taken into the log and could be applied nowhere.
 */
export function json(levels: number): z.ZodType<z.core.util.JSONType> {
  const scalars = [z.null(), z.boolean(), z.number(), z.string()] as const;
  let schema: z.ZodType<z.core.util.JSONType> = z.union(scalars);
  for (let level = 1; level <= levels; level += 1) {
    schema = z.union([...scalars, z.array(schema), z.record(z.string(), schema)], {
      error: `not JSON of at most ${level} levels`,
    });
  }
  return schema;
}
/** Small and for display only: nothing is judged by it. */
export const details = z
  .record(z.string().max(64), json(4))
  .refine((d) => JSON.stringify(d).length <= 16 * 1024, 'at most 16 KiB');
