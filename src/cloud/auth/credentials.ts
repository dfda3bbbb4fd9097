import { z } from 'zod';
import type { Facts } from '../../store/facts.ts';

/** The Secret `credentials`, decoded: the first administrator and the way back in. */
export const credentialsSchema = z.object({
  /** See password.ts. */
  adminPasswordHash: z.string().min(1).max(512),
  /** When the password was set, milliseconds since 1970; the install's first one has none. */
  passwordAt: z.coerce.number().int().nonnegative().default(0),
  /** sha256 (hex) of the command line's first token. */
  apiTokenHash: z.string().regex(/^[0-9a-f]{64}$/),
});
export type Credentials = z.infer<typeof credentialsSchema>;

const KEY = 'credentials';

/** The Secret as last seen: from Kubernetes when it can be reached, from before when it cannot. */
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
      if (!parsed.success) {
        return false;
      }
      if (JSON.stringify(parsed.data) !== JSON.stringify(current)) {
        current = parsed.data;
        facts.put(KEY, current);
      }
      return true;
    },
  };
}
