import { webcrypto } from 'node:crypto';
import type * as X509 from '@peculiar/x509';

/** P-256 with SHA-256 for every key of the cluster. */
export const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

export const DAY_MS = 24 * 60 * 60 * 1000;
/** How far certificates reach back, so that a node whose clock is behind accepts them. */
export const SKEW_MS = 60 * 60 * 1000;

let loaded: Promise<typeof X509> | undefined;

/** The X.509 library, loaded on first use: it costs tens of milliseconds, which most commands need not pay. */
export function x509(): Promise<typeof X509> {
  loaded ??= (async () => {
    await import('reflect-metadata');
    const library = await import('@peculiar/x509');
    library.cryptoProvider.set(webcrypto as unknown as Parameters<typeof library.cryptoProvider.set>[0]);
    return library;
  })();
  return loaded;
}

export async function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

/** PKCS#8 PEM. */
export async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  const { PemConverter } = await x509();
  return `${PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY')}\n`;
}

/** Reads a PKCS#8 PEM of a P-256 key. */
export async function importKey(pem: string): Promise<webcrypto.CryptoKey> {
  const { PemConverter } = await x509();
  const der = PemConverter.decode(pem)[0];
  if (der === undefined) {
    throw new TypeError('no PEM block in the key');
  }
  return webcrypto.subtle.importKey('pkcs8', der, ALGORITHM, false, ['sign']);
}

/** A positive random serial of 16 bytes, as hex. */
export function serialNumber(): string {
  const bytes = webcrypto.getRandomValues(new Uint8Array(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x01;
  return Buffer.from(bytes).toString('hex');
}

export function validity(now: Date, days: number): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(now.getTime() - SKEW_MS), notAfter: new Date(now.getTime() + days * DAY_MS) };
}
