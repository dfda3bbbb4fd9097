import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import type { Credentials } from './credentials.ts';

/** How long a session lasts, in milliseconds. */
export const SESSION_MS = 12 * 60 * 60 * 1000;

const payloadSchema = z.strictObject({
  id: z.string(),
  user: z.string(),
  /** Milliseconds since 1970. */
  expiresAt: z.int(),
  /** Ties the session to the password: a new password ends it. */
  password: z.string(),
});
export type Session = z.infer<typeof payloadSchema>;

function passwordMark(credentials: Credentials): string {
  return createHash('sha256').update(credentials.adminPasswordHash).digest('base64url').slice(0, 16);
}

function mac(payload: string, credentials: Credentials): Buffer {
  return createHmac('sha256', Buffer.from(credentials.sessionKey, 'base64')).update(`session.${payload}`).digest();
}

/** A token `trs_<payload>.<mac>` that every instance can judge by itself. */
export function createSession(user: string, credentials: Credentials, now: number): { token: string; session: Session } {
  const session: Session = { id: randomBytes(16).toString('base64url'), user, expiresAt: now + SESSION_MS, password: passwordMark(credentials) };
  const payload = Buffer.from(JSON.stringify(session)).toString('base64url');
  return { token: `trs_${payload}.${mac(payload, credentials).toString('base64url')}`, session };
}

/** The session of a token; undefined where it is forged, expired or of an older password. Whether it was ended is the store's to say. */
export function readSession(token: string, credentials: Credentials, now: number): Session | undefined {
  const match = /^trs_([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{43})$/.exec(token);
  const payload = match?.[1];
  const given = match?.[2];
  if (payload === undefined || given === undefined) return undefined;
  if (!timingSafeEqual(mac(payload, credentials), Buffer.from(given, 'base64url'))) return undefined;
  const parsed = payloadSchema.safeParse(JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')));
  if (!parsed.success || parsed.data.expiresAt <= now || parsed.data.password !== passwordMark(credentials)) return undefined;
  return parsed.data;
}
