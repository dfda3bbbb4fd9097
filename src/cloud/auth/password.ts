import { randomBytes, scrypt, timingSafeEqual, type ScryptOptions } from 'node:crypto';

/** OWASP's parameters: 128 MiB and about 0.4 s of one core a hash. */
const COST = { log2N: 17, r: 8, p: 1 } as const;
const KEY_BYTES = 32;

/** Hashes at once, since each takes 128 MiB. */
const AT_ONCE = 2;
let running = 0;
const waiting: (() => void)[] = [];

async function derive(password: string, salt: Buffer, bytes: number, cost: { log2N: number; r: number; p: number }): Promise<Buffer> {
  if (running >= AT_ONCE) await new Promise<void>((resolve) => waiting.push(resolve));
  else running += 1;
  try {
    const options: ScryptOptions = { N: 2 ** cost.log2N, r: cost.r, p: cost.p, maxmem: 256 * 2 ** cost.log2N * cost.r };
    return await new Promise((resolve, reject) => scrypt(password.normalize('NFC'), salt, bytes, options, (error, key) => (error === null ? resolve(key) : reject(error))));
  } finally {
    // The place is handed over, not given back, so that nobody overtakes.
    const next = waiting.shift();
    if (next === undefined) running -= 1;
    else next();
  }
}

/** `scrypt$<log2 N>$<r>$<p>$<salt>$<key>`, both base64: what the Secret `credentials` holds as adminPasswordHash. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  const key = await derive(password, salt, KEY_BYTES, COST);
  return ['scrypt', COST.log2N, COST.r, COST.p, salt.toString('base64'), key.toString('base64')].join('$');
}

/** A hash that no password has and that takes as long to find out as any: for names that nobody has. */
export const HASH_OF_NOBODY = ['scrypt', COST.log2N, COST.r, COST.p, Buffer.alloc(16).toString('base64'), Buffer.alloc(KEY_BYTES).toString('base64')].join('$');

/** Whether the password is the hash's. False for a hash that is none, never throws. */
export async function verifyPassword(password: string, hash: string): Promise<boolean> {
  const match = /^scrypt\$(\d{1,2})\$(\d{1,2})\$(\d{1,2})\$([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+)$/.exec(hash);
  if (match === null) return false;
  const [log2N, r, p] = [Number(match[1]), Number(match[2]), Number(match[3])];
  if (log2N < 10 || log2N > 20 || r < 1 || r > 16 || p < 1 || p > 4) return false;
  const expected = Buffer.from(match[5] ?? '', 'base64');
  const key = await derive(password, Buffer.from(match[4] ?? '', 'base64'), expected.length, { log2N, r, p });
  return expected.length >= 16 && timingSafeEqual(key, expected);
}
