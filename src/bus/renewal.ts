import { z } from 'zod';
import { nkey } from '../store/fields.ts';

/**
 * Renewal of an enrolled satellite's credential, over the connection that its present one has: it publishes
 * `RenewalAsk` on `renew.<sat>`, any one instance answers with `RenewalAnswer` on `satellite.<sat>.renewal`. Who is
 * asking is told by the subject, which nats-server guards.
 *
 * First the ask has a `request`: the answer is a certificate, and from then on both credentials are admitted. Once the
 * satellite has come by the new one it asks with `done`: the answer says that the old one is void.
 */
const id = z.string().regex(/^[0-9a-f]{16,32}$/);

export const renewalAskSchema = z.union([
  z.strictObject({
    id,
    /** PKCS#10, PEM, of a P-256 key that stays with the satellite. */
    request: z.string().min(1).max(4096),
    /** The public nkey that belongs to it, with the signature of `request` by it. */
    nkey: z.strictObject({ key: nkey, signature: z.base64().max(200) }),
  }),
  /** `keyId` of the key by which the satellite is connected now. */
  z.strictObject({ id, done: z.string().regex(/^[0-9a-f]{32}$/) }),
]);
export type RenewalAsk = z.infer<typeof renewalAskSchema>;

export const renewalAnswerSchema = z.union([
  /** PEM. */
  z.object({ id, certificate: z.string().max(8192) }),
  z.object({ id, done: z.literal(true) }),
  /** `denied`: not before somebody has done something about it; any other code: later. */
  z.object({ id, error: z.object({ code: z.string().max(64), message: z.string().max(1000) }) }),
]);
export type RenewalAnswer = z.infer<typeof renewalAnswerSchema>;
