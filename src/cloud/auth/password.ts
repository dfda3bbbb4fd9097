import { randomBytes, scrypt, timingSafeEqual, type ScryptOptions } from 'node:crypto';
import { createTurns, type Turn } from './turns.ts';

/** OWASP's parameters: 128 MiB and about 0.4 s of one core a hash. */
const COST = { log2N: 17, r: 8, p: 1 } as const;
const KEY_BYTES = 32;

/** Hashes at once, since each takes 128 MiB; and that wait, which is 13 s of them. */
const turns = createTurns({ atOnce: 2, mostWaiting: 64 });

function derive(
  password: string,
  salt: Buffer,
  bytes: number,
  cost: { log2N: number; r: number; p: number },
  turn: Turn | undefined,
): Promise<Buffer> {
  const options: ScryptOptions = { N: 2 ** cost.log2N, r: cost.r, p: cost.p, maxmem: 256 * 2 ** cost.log2N * cost.r };
  return turns.take(
    turn,
    () =>
      new Promise((resolve, reject) =>
        scrypt(password.normalize('NFC'), salt, bytes, options, (error, key) =>
          error === null ? resolve(key) : reject(error),
        ),
      ),
  );
}

/**
 * `scrypt$<log2 N>$<r>$<p>$<salt>$<key>`, both base64: what the Secret `credentials` holds as adminPasswordHash.
 * @throws Failure `busy`
 */
export async function hashPassword(password: string, turn?: Turn): Promise<string> {
  const salt = randomBytes(16);
  const key = await derive(password, salt, KEY_BYTES, COST, turn);
  return ['scrypt', COST.log2N, COST.r, COST.p, salt.toString('base64'), key.toString('base64')].join('$');
}

/** A hash that no password has and that takes as long to find out as any: for names that nobody has. */
export const HASH_OF_NOBODY = [
  'scrypt',
  COST.log2N,
  COST.r,
  COST.p,
  Buffer.alloc(16).toString('base64'),
  Buffer.alloc(KEY_BYTES).toString('base64'),
].join('$');

/**
 * Whether the password is the hash's; false for a hash that is none. @throws Failure `busy` where that was not looked
 * at
 */
export async function verifyPassword(password: string, hash: string, turn?: Turn): Promise<boolean> {
  const match = /^scrypt\$(\d{1,2})\$(\d{1,2})\$(\d{1,2})\$([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+)$/.exec(hash);
  if (match === null) {
    return false;
  }
  const [log2N, r, p] = [Number(match[1]), Number(match[2]), Number(match[3])];
  if (log2N < 10 || log2N > 20 || r < 1 || r > 16 || p < 1 || p > 4) {
    return false;
  }
  const expected = Buffer.from(match[5] ?? '', 'base64');
  const key = await derive(password, Buffer.from(match[4] ?? '', 'base64'), expected.length, { log2N, r, p }, turn);
  return expected.length >= 16 && timingSafeEqual(key, expected);
}
