import { hash, randomBytes } from 'node:crypto';

/** Hexadecimal sha256: enough for secrets of 256 random bits, which nobody can guess. */
export function hashSecret(secret: string): string {
  return hash('sha256', secret, 'hex');
}

const LETTERS = 'abcdefghijkmnpqrstuvwxyz23456789';

/** A new API token `trr_<id>_<secret>`. The id is shown in lists and the audit log; the secret is stored nowhere. */
export function createToken(): { id: string; token: string } {
  const id = [...randomBytes(10)].map((b) => LETTERS[b % LETTERS.length]).join('');
  return { id, token: `trr_${id}_${randomBytes(32).toString('base64url')}` };
}
