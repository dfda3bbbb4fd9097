/** Crockford's base 32: no I, L, O, U. */
const DIGITS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/**
 * An identifier that sorts by time (https://github.com/ulid/spec): 10 digits of milliseconds since 1970, 16 digits of
 * chance.
 * @param at milliseconds since 1970, below 2^48.
 * @param random 10 bytes.
 */
export function ulid(at: number, random: Uint8Array): string {
  let time = '';
  for (let rest = at, n = 0; n < 10; n += 1) {
    time = `${DIGITS[rest % 32]}${time}`;
    rest = Math.floor(rest / 32);
  }
  let bits = 0n;
  for (const byte of random.subarray(0, 10)) {
    bits = (bits << 8n) | BigInt(byte);
  }
  let chance = '';
  for (let n = 0; n < 16; n += 1) {
    chance = `${DIGITS[Number(bits & 31n)]}${chance}`;
    bits >>= 5n;
  }
  return time + chance;
}

export const ULID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;
