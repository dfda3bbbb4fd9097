import { z } from 'zod';
import { nkey, satelliteId, tags, title } from '../store/fields.ts';

/** Enrolment of satellites on machines outside the cluster, as cloud and CLI share it. */

/** Minutes that a token is good for. */
export const TOKEN_MINUTES = { default: 60, most: 7 * 24 * 60 } as const;

const time = z.iso.datetime();

/** On the bus a satellite's id is a node's name: 63 characters. */
export const enrolledId = satelliteId.max(63);

export const enrolmentTokenSchema = z.object({
  id: z.string(),
  tags,
  usesLeft: z.int(),
  createdAt: time,
  expiresAt: time,
  createdBy: z.string(),
  version: z.int(),
});
export type EnrolmentToken = z.infer<typeof enrolmentTokenSchema>;

export const enrolmentTokenCreateSchema = z.strictObject({
  tags: tags.default({}),
  minutes: z.int().min(1).max(TOKEN_MINUTES.most).default(TOKEN_MINUTES.default),
});
export const enrolmentTokenReply = enrolmentTokenSchema.extend({
  token: z.string(),
  /** Fingerprint of the cluster's CA, by which the satellite knows that it talks to this cluster. */
  caHash: z.string(),
  /** `host:port` of console and API of each control plane. */
  addresses: z.array(z.string()),
});
export type EnrolmentTokenReply = z.infer<typeof enrolmentTokenReply>;

export const manifestSchema = enrolmentTokenCreateSchema.extend({
  id: enrolledId,
  /** Of the other cluster, as are the following. */
  namespace: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/)
    .default('terrarium-satellite'),
  image: z
    .string()
    .regex(/^[a-z0-9][A-Za-z0-9._:@/-]{0,299}$/)
    .optional(),
  storage: z
    .string()
    .regex(/^[1-9][0-9]{0,5}[MGT]i$/)
    .default('1Gi'),
  storageClass: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/)
    .optional(),
});
export type ManifestBody = z.infer<typeof manifestSchema>;
export const manifestReply = z.object({
  id: z.string(),
  /** The token's id. */
  token: z.string(),
  expiresAt: time,
  /** YAML; it holds the token. */
  manifest: z.string(),
});
export type ManifestReply = z.infer<typeof manifestReply>;

export const authorityReply = z.object({ ca: z.string() });
export type AuthorityReply = z.infer<typeof authorityReply>;

export const enrolSchema = z.strictObject({
  token: z.string().min(1).max(200),
  /** Proposed by the satellite. */
  id: enrolledId,
  name: title.optional(),
  /** PKCS#10, PEM, of a P-256 key that stays with the satellite. */
  request: z.string().min(1).max(4096),
  /** Public nkey, for the way through the console's port, with the signature of `request` by it. */
  nkey: z.strictObject({ key: nkey, signature: z.base64().max(200) }).optional(),
});
export type EnrolRequest = z.infer<typeof enrolSchema>;

/**
 * Code of the refusal of a key that was revoked, by whatever token it is shown: the machine has to make another one.
 */
export const REVOKED_KEY = 'revoked-key';

export const enrolReply = z.object({
  id: z.string(),
  /** PEM. */
  certificate: z.string(),
  /** The cluster's CA, PEM, by which the satellite knows the servers of the bus. */
  ca: z.string(),
  /** `host:port` of the bus on each control plane. */
  clouds: z.array(z.string()),
  /** `host:port` of the console on each, where the bus is by WebSocket. */
  consoles: z.array(z.string()),
});
export type EnrolReply = z.infer<typeof enrolReply>;
