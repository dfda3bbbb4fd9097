import { nkeys } from '@nats-io/transport-node';

/** A user's Ed25519 key as nats-server knows it; its seed (`SU…`) is a secret. */
export interface Nkey {
  seed: string;
  /** `U…` */
  publicKey: string;
}

export function createNkey(): Nkey {
  return describe(nkeys.createUser());
}

/** @throws for text that is no seed */
export function nkeyOf(seed: string): Nkey {
  return describe(nkeys.fromSeed(Buffer.from(seed.trim(), 'latin1')));
}

function describe(pair: ReturnType<typeof nkeys.createUser>): Nkey {
  return { seed: Buffer.from(pair.getSeed()).toString('latin1'), publicKey: pair.getPublicKey() };
}

/** Base64 of a signature over the text; by it a satellite shows that the nkey of its request is its own. */
export function signByNkey({ seed }: Nkey, text: string): string {
  return Buffer.from(nkeys.fromSeed(Buffer.from(seed, 'latin1')).sign(Buffer.from(text, 'utf8'))).toString('base64');
}

/** False also for a key that is none. */
export function isSignedBy(publicKey: string, text: string, signature: string): boolean {
  try {
    return (
      publicKey.startsWith('U') &&
      nkeys.fromPublic(publicKey).verify(Buffer.from(text, 'utf8'), Buffer.from(signature, 'base64'))
    );
  } catch {
    return false;
  }
}
