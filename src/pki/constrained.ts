import { X509Certificate } from 'node:crypto';
import { selfSigned, type KeyPair } from './authority.ts';
import { DAY_MS, x509 } from './crypto.ts';
import { nameConstraints } from './name-constraints.ts';

/** An authority that ends sooner signs nothing more, so that it outlives what it has signed. */
const LEAST_LEFT_MS = 400 * DAY_MS;

export interface Constraints {
  commonName: string;
  /** What its certificates are for. */
  usage: 'server' | 'client';
  /** It may sign for this DNS name and those below it. */
  dnsName: string;
  /** Whether it may sign for IP addresses. */
  addresses: boolean;
  /** It may sign for URIs of this host alone, and then for no mail address that anybody has; default: any. */
  uriHost?: string;
}

/** A CA that can sign for one purpose and one part of the names: by its constraints, not by its good will. */
export async function constrainedAuthority(
  { commonName, usage, dnsName, addresses, uriHost }: Constraints,
  now: Date,
): Promise<KeyPair> {
  const { ExtendedKeyUsage, ExtendedKeyUsageExtension, KeyUsageFlags, KeyUsagesExtension } = await x509();
  const purpose = usage === 'server' ? ExtendedKeyUsage.serverAuth : ExtendedKeyUsage.clientAuth;
  return selfSigned(
    commonName,
    [
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true),
      new ExtendedKeyUsageExtension([purpose]),
      await nameConstraints(dnsName, { addresses, uriHost }),
    ],
    now,
  );
}

/** Whether it is far enough from its end to sign. */
export function maySign({ cert }: KeyPair, now: Date): boolean {
  return new X509Certificate(cert).validToDate.getTime() - now.getTime() > LEAST_LEFT_MS;
}
