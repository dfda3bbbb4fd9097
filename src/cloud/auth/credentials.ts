import { createHash, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import type { Facts } from '../../store/facts.ts';

/** The Secret `credentials`, decoded. */
export const credentialsSchema = z.object({
  /** See password.ts. */
  adminPasswordHash: z.string().min(1),
  /** 32 bytes as base64: signs sessions, equal on every instance. */
  sessionKey: z.base64().min(43),
  /** sha256 (hex) of the command line's token. */
  apiTokenHash: z.string().regex(/^[0-9a-f]{64}$/),
});
export type Credentials = z.infer<typeof credentialsSchema>;

const KEY = 'credentials';

/** The credentials that hold now: from Kubernetes when it can be reached, as last seen when it cannot. */
export interface CredentialsHolder {
  current(): Credentials | undefined;
  /** Takes new ones; false where they are not valid, and the old ones stay. */
  update(value: unknown): boolean;
}

export function openCredentials(facts: Facts): CredentialsHolder {
  const cached = credentialsSchema.safeParse(facts.get(KEY));
  let current = cached.success ? cached.data : undefined;
  return {
    current: () => current,
    update(value) {
      const parsed = credentialsSchema.safeParse(value);
      if (!parsed.success) return false;
      if (JSON.stringify(parsed.data) !== JSON.stringify(current)) {
        current = parsed.data;
        facts.put(KEY, current);
      }
      return true;
    },
  };
}

export function apiTokenMatches(token: string, credentials: Credentials): boolean {
  return timingSafeEqual(createHash('sha256').update(token).digest(), Buffer.from(credentials.apiTokenHash, 'hex'));
}
