import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { EXIT, Failure } from '../../src/errors.ts';
import { rawPublicKey } from '../../src/payload/keys.ts';
import { cacheRoot } from './cache.ts';

export interface SigningKey {
  /** Raw, 32 bytes. */
  publicKey: Buffer;
  /** Made by the build itself, for development; not meant for customers. */
  development: boolean;
  sign(bytes: Buffer): Buffer;
}

/**
 * The key in TERRARIUM_SIGNING_KEY (PKCS #8 PEM, or the path of a file with it), else a development key, which is made
 * once, outside of the checkout.
 * @throws Failure `key-invalid`
 */
export function signingKey(env: NodeJS.ProcessEnv): SigningKey {
  const given = env['TERRARIUM_SIGNING_KEY'];
  if (given !== undefined && given !== '') {
    return fromPem(given.includes('-----BEGIN') ? given : readKey(given), false);
  }
  const file = join(cacheRoot(), 'signing/dev.key');
  if (!existsSync(file)) {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    const { privateKey } = generateKeyPairSync('ed25519');
    try {
      writeFileSync(file, privateKey.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600, flag: 'wx' });
    } catch (error) {
      // Another build made it in the meantime.
      if (!existsSync(file)) {
        throw error;
      }
    }
  }
  return fromPem(readKey(file), true);
}

function readKey(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new Failure('key-invalid', `The signing key ${file} cannot be read.`, {
      remedy: 'Set TERRARIUM_SIGNING_KEY to a readable PEM file.',
      exitCode: EXIT.usage,
      cause: error,
    });
  }
}

function fromPem(pem: string, development: boolean): SigningKey {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (error) {
    throw new Failure('key-invalid', 'The signing key is not a PEM private key.', {
      remedy: 'Make one by: openssl genpkey -algorithm ed25519 -out key.pem',
      exitCode: EXIT.usage,
      cause: error,
    });
  }
  if (key.asymmetricKeyType !== 'ed25519') {
    throw new Failure('key-invalid', 'The signing key is not an Ed25519 key.', {
      remedy: 'Make one by: openssl genpkey -algorithm ed25519 -out key.pem',
      exitCode: EXIT.usage,
    });
  }
  return { publicKey: rawPublicKey(createPublicKey(key)), development, sign: (bytes) => sign(null, bytes, key) };
}
