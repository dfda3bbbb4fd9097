import { createHash, createPublicKey, verify, type KeyObject } from 'node:crypto';
import type { DirectAsk } from './direct.ts';

/** What the asking key signs (ECDSA with SHA-256): the key's holder asks for this satellite, now. */
export const keyProof = (sat: string, ask: string): Buffer => Buffer.from(`terrarium direct key\n${sat}\n${ask}`);

/** The public key of an ask, if its holder has signed for it. */
export function provenKey(sat: string, ask: DirectAsk): Buffer | undefined {
  if (ask.key === undefined || ask.proof === undefined) {
    return undefined;
  }
  try {
    const der = Buffer.from(ask.key, 'base64url');
    const key = createPublicKey({ key: der, format: 'der', type: 'spki' });
    if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
      return undefined;
    }
    return verify('sha256', keyProof(sat, ask.id), key, Buffer.from(ask.proof, 'base64url')) ? der : undefined;
  } catch {
    return undefined;
  }
}

/** What names a key in tokens: 64 bits of its sha256. */
export const keyName = (raw: string): string =>
  createHash('sha256').update(Buffer.from(raw, 'base64url')).digest('hex').slice(0, 16);

/** @param raw 32 bytes, base64url */
export function ed25519Key(raw: string): KeyObject {
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: raw }, format: 'jwk' });
}
