import { z } from 'zod';

/**
 * Direct queries on the bus: a satellite publishes `DirectAsk` on `direct.<sat>`, any one instance answers with
 * `DirectAnswer` on `satellite.<sat>.direct`; instances send the same by themselves, with an empty id, when something
 * of it has changed.
 * Who is asking is told by the subject, which nats-server guards.
 */

/** Where a satellite's own endpoint takes queries. */
export const DIRECT_PATH = '/v1/query';
/** Between two asks of a satellite that lacks nothing; and after a try that was not answered. */
export const ASK_MS = 5 * 60_000;
export const ASK_AGAIN_MS = 5_000;
/** How far a satellite's clock may be from the cloud's. */
export const MAX_SKEW_MS = 30_000;
/** What a token is good for. */
export const TOKEN_MS = 60_000;

const id = z.string().regex(/^[0-9a-f]{0,32}$/);
/** A raw Ed25519 public key. */
export const directKey = z.string().regex(/^[A-Za-z0-9_-]{43}$/);

export const directAskSchema = z.object({
  id,
  /** A P-256 key for which a certificate is wanted: SubjectPublicKeyInfo (DER), and `keyProof` signed by it. */
  key: z.string().max(400).optional(),
  proof: z.string().max(400).optional(),
});
export type DirectAsk = z.infer<typeof directAskSchema>;

export const directAnswerSchema = z.object({
  id,
  /** The instance's clock, milliseconds since 1970. */
  at: z.int().nonnegative(),
  /** Whether the satellite shall have an endpoint: false where it is to be asked through the cloud only. */
  listen: z.boolean(),
  /** The endpoint's port, and its name, which the certificate is for. */
  port: z.int().min(1).max(65_535),
  name: z.string().max(253),
  /** Of the console: whose pages may read answers. */
  origins: z.array(z.string().max(300)).max(100),
  /** By which instances sign tokens now. */
  keys: z.array(directKey).max(100),
  /** PEM; undefined while there is none. */
  authority: z.string().max(8192).optional(),
  certificate: z.string().max(8192).optional(),
});
export type DirectAnswer = z.infer<typeof directAnswerSchema>;
