import { X509Certificate, createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { keyProof } from '../../bus/direct-keys.ts';
import { replaceFile } from '../../durable.ts';

/** Part of a certificate's time after which it is renewed: 54 of 90 days. */
export const RENEW_AFTER = 0.6;

/** The endpoint's certificate and its key, PEM. */
export interface Pair {
  cert: string;
  key: string;
}

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
export function fits({ cert, key }: Pair, name: string, authority: string): boolean {
  try {
    const shown = new X509Certificate(cert);
    const issuer = new X509Certificate(authority);
    return shown.checkHost(name) !== undefined && shown.checkIssued(issuer) && shown.verify(issuer.publicKey) && shown.publicKey.equals(createPublicKey(createPrivateKey(key)));
  } catch {
    return false;
  }
}

/** When it is to be renewed, milliseconds since 1970. */
export function renewAt({ cert }: Pair): number {
  const { validFromDate, validToDate } = new X509Certificate(cert);
  return validFromDate.getTime() + (validToDate.getTime() - validFromDate.getTime()) * RENEW_AFTER;
}

/** Certificate and key in one file, so that there is never one without the other. Undefined where there is none, or half of one. */
export function loadPair(file: string): Pair | undefined {
  try {
    const [cert = '', key = ''] = readFileSync(file, 'utf8').split(/(?=-----BEGIN PRIVATE KEY-----)/);
    return new X509Certificate(cert).checkPrivateKey(createPrivateKey(key)) ? { cert, key } : undefined;
  } catch {
    return undefined;
  }
}

export function storePair(file: string, { cert, key }: Pair): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  replaceFile(file, `${cert.trimEnd()}\n${key}`, { mode: 0o600 });
}
