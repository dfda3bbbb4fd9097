import { X509Certificate, createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { keyProof } from '../../bus/direct-keys.ts';
import type { KeyPair } from '../../pki/authority.ts';
import { readPair } from '../../pki/pair-file.ts';

/** Part of a certificate's time after which it is renewed: 54 of 90 days. */
export const RENEW_AFTER = 0.6;

/** A key that has been asked a certificate for. */
export interface PendingKey {
  key: string;
  /** base64url, for the ask. */
  spki: string;
  proof(sat: string, ask: string): string;
}

/** A fresh P-256 key; it never leaves this machine. */
export function makeKey(): PendingKey {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    key: privateKey.export({ format: 'pem', type: 'pkcs8' }) as string,
    spki: publicKey.export({ format: 'der', type: 'spki' }).toString('base64url'),
    proof: (sat, ask) => sign('sha256', keyProof(sat, ask), privateKey).toString('base64url'),
  };
}

/** Whether these belong together, for this name and by this authority. */
export function fits({ cert, key }: KeyPair, name: string, authority: string): boolean {
  try {
    const shown = new X509Certificate(cert);
    const issuer = new X509Certificate(authority);
    return (
      shown.checkHost(name) !== undefined &&
      shown.checkIssued(issuer) &&
      shown.verify(issuer.publicKey) &&
      shown.publicKey.equals(createPublicKey(createPrivateKey(key)))
    );
  } catch {
    return false;
  }
}

/** When it is to be renewed, milliseconds since 1970. */
export function renewAt({ cert }: KeyPair): number {
  const { validFromDate, validToDate } = new X509Certificate(cert);
  return validFromDate.getTime() + (validToDate.getTime() - validFromDate.getTime()) * RENEW_AFTER;
}

/** The endpoint's certificate and its key. Undefined where there is none, or half of one. */
export function loadPair(file: string): KeyPair | undefined {
  try {
    const pair = readPair(file);
    return new X509Certificate(pair.cert).checkPrivateKey(createPrivateKey(pair.key)) ? pair : undefined;
  } catch {
    return undefined;
  }
}
