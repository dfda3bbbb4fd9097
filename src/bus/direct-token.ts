import { createHash, sign, verify, type KeyObject } from 'node:crypto';
import { z } from 'zod';
import { QUERY_LIMITS } from './frames.ts';

/**
 * A token for one direct query: `trd_<claims>.<signature>`, both base64url; claims are JSON, the signature is Ed25519
 * over the text before the dot.
 * There is one algorithm and no header that could name another.
 */
const claimsSchema = z.strictObject({
  /** `keyName` of the instance's key. */
  key: z.string().regex(/^[0-9a-f]{16}$/),
  /** Random; what makes it good once. */
  id: z.string().regex(/^[A-Za-z0-9_-]{22}$/),
  /** The query's id in frames. */
  q: z.string().regex(/^[A-Za-z0-9]{8,40}$/),
  /** The satellite. */
  sat: z.string().min(1).max(63),
  user: z.string().min(1).max(100),
  /** Milliseconds since 1970, by the instance's clock. */
  from: z.int().nonnegative(),
  until: z.int().nonnegative(),
  /** sha256 of the SQL's UTF-8, hexadecimal. */
  sql: z.string().regex(/^[0-9a-f]{64}$/),
  timeoutMs: z.int().positive().max(QUERY_LIMITS.maxTimeoutMs),
  maxRows: z.int().positive().max(QUERY_LIMITS.maxRows),
  maxBytes: z.int().positive(),
});
export type Claims = z.infer<typeof claimsSchema>;

const PREFIX = 'trd_';
const MAX_LENGTH = 2048;

export const sqlHash = (sql: string): string => createHash('sha256').update(sql, 'utf8').digest('hex');

export function signToken(claims: Claims, key: KeyObject): string {
  const text = PREFIX + Buffer.from(JSON.stringify(claims)).toString('base64url');
  return `${text}.${sign(null, Buffer.from(text), key).toString('base64url')}`;
}

/** The claims of a token, not yet believed; undefined for what is none. */
export function readToken(token: string): { claims: Claims; text: string; signature: Buffer } | undefined {
  const parts = token.length > MAX_LENGTH ? null : /^(trd_([A-Za-z0-9_-]+))\.([A-Za-z0-9_-]{86})$/.exec(token);
  const [, text, payload, signature] = parts ?? [];
  if (text === undefined || payload === undefined || signature === undefined) {
    return undefined;
  }
  try {
    const claims = claimsSchema.safeParse(JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')));
    return claims.success ? { claims: claims.data, text, signature: Buffer.from(signature, 'base64url') } : undefined;
  } catch {
    return undefined;
  }
}

export function isSignedBy({ text, signature }: { text: string; signature: Buffer }, key: KeyObject): boolean {
  return verify(null, Buffer.from(text), key, signature);
}
