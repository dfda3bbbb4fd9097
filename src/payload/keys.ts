import { createPublicKey, verify, type KeyObject } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { EXIT, Failure, isErrno } from '../errors.ts';

/** The key whose payloads this executable takes, hex; written in at build time. */
declare const __TRUSTED_KEY__: string | undefined;

/** True in the product, false when the sources are run directly. */
export const packaged: boolean = typeof __TRUSTED_KEY__ !== 'undefined';

/** Beside an executable: further keys whose payloads it takes, hex, one a line. */
export const TRUSTED_KEYS = 'trusted-keys';

const ED25519_SPKI = Buffer.from('302a300506032b6570032100', 'hex');

/** A raw 32-byte Ed25519 public key as an object. */
export function publicKeyFromRaw(raw: Buffer): KeyObject {
  return createPublicKey({ key: Buffer.concat([ED25519_SPKI, raw]), format: 'der', type: 'spki' });
}

/** The 32 bytes of an Ed25519 public key. */
export function rawPublicKey(key: KeyObject): Buffer {
  return key.export({ format: 'der', type: 'spki' }).subarray(ED25519_SPKI.length);
}

/** Whether `signature` is by the raw public key over the parts, one after the other. */
export function verifySignature(publicKey: Buffer, signature: Buffer, ...parts: Buffer[]): boolean {
  try {
    return verify(null, Buffer.concat(parts), publicKeyFromRaw(publicKey), signature);
  } catch {
    // Not every 32 bytes are a point on the curve.
    return false;
  }
}

/**
 * Public keys, hex, whose payloads are taken: the one written into this executable, and those that an administrator has
 * trusted by `--trust-key`, kept in `trusted-keys` beside the executable. Who can write there can replace the
 * executable itself.
 */
export function trustedKeys(): string[] {
  const keys = typeof __TRUSTED_KEY__ === 'undefined' ? [] : [__TRUSTED_KEY__];
  if (!packaged) {
    return keys;
  }
  const file = join(dirname(process.execPath), TRUSTED_KEYS);
  try {
    const stat = statSync(file);
    if ((stat.mode & 0o022) !== 0 || stat.uid !== statSync(process.execPath).uid) {
      return keys;
    }
    return [
      ...keys,
      ...readFileSync(file, 'utf8')
        .split('\n')
        .filter((line) => /^[0-9a-f]{64}$/.test(line)),
    ];
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'EACCES')) {
      return keys;
    }
    throw error;
  }
}

/**
 * Reads the value of `--trust-key`: 64 hexadecimal digits as `bundle inspect` prints them, or a file with a PEM public
 * key.
 * @throws Failure `key-invalid`
 */
export function parseTrustKey(value: string): string {
  if (/^[0-9a-f]{64}$/i.test(value)) {
    return value.toLowerCase();
  }
  try {
    const key = createPublicKey(readFileSync(value, 'utf8'));
    if (key.asymmetricKeyType === 'ed25519') {
      return rawPublicKey(key).toString('hex');
    }
  } catch (error) {
    throw new Failure('key-invalid', `--trust-key ${value} is neither 64 hexadecimal digits nor a readable PEM file.`, {
      exitCode: EXIT.usage,
      cause: error,
    });
  }
  throw new Failure('key-invalid', `The key in ${value} is not an Ed25519 key.`, { exitCode: EXIT.usage });
}
