import { X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { BUS_HOST, enrolledIdentity, keyId } from '../bus/identities.ts';
import { Failure } from '../errors.ts';
import { signRequest, type KeyPair } from '../pki/authority.ts';
import { constrainedAuthority, maySign } from '../pki/constrained.ts';
import { DAY_MS, x509 } from '../pki/crypto.ts';
import { readPair, storePair } from '../pki/pair-file.ts';
import type { EnrolmentDetails } from './satellites-admission.ts';

/** Signs for satellites that enrol at this instance. */
export interface SatellitesAuthority {
  /** Its certificate, PEM. */
  cert: string;
  /** The id of the request's key. @throws Failure `bad-request` */
  keyOf(csr: string): Promise<string>;
  /** @throws Failure `bad-request` */
  sign(csr: string, id: string): Promise<{ key: string; details: EnrolmentDetails & { ends: number } }>;
}

/**
 * This instance's own authority, made at its first use. The cluster's CA stays with root: this one's key never leaves
 * the instance, and the bus trusts its certificate for clients only, for as long as a satellite in the state has one of
 * its certificates. It can sign for clients alone, and for no name of a server: by its constraints, not by its good
 * will.
 *
 * @param options `lifeMs`: certificates are good for so long, where that is shorter than they are anyway
 */
export async function openSatellitesAuthority(
  dir: string,
  instance: string,
  { now = () => new Date(), lifeMs }: { now?: () => Date; lifeMs?: number | undefined } = {},
): Promise<SatellitesAuthority> {
  const own = await load(join(dir, 'authority.pem'), instance, now());
  const keyOf = async (csr: string): Promise<string> => {
    const lib = await x509();
    try {
      return keyId(new Uint8Array(new lib.Pkcs10CertificateRequest(csr).publicKey.rawData));
    } catch (cause) {
      throw new Failure('bad-request', 'The certificate request cannot be read.', { cause });
    }
  };
  return {
    cert: own.cert,
    keyOf,
    async sign(csr, id) {
      const key = await keyOf(csr);
      const identity = enrolledIdentity(id, key);
      const certificate = await signRequest(
        own,
        csr,
        { ...identity, days: Math.min(identity.days, (lifeMs ?? Number.POSITIVE_INFINITY) / DAY_MS) },
        now(),
      );
      return {
        key,
        details: { certificate, authority: own.cert, ends: new X509Certificate(certificate).validToDate.getTime() },
      };
    },
  };
}

async function load(file: string, instance: string, now: Date): Promise<KeyPair> {
  if (existsSync(file)) {
    const own = readPair(file);
    if (maySign(own, now)) {
      return own;
    }
  }
  const made = await createSatellitesAuthority(instance, now);
  storePair(file, made);
  return made;
}

/**
 * A CA for clients only; of DNS names nothing but one that nobody has, so none of the bus's servers; of the bus's
 * clients those that have enrolled.
 */
export function createSatellitesAuthority(instance: string, now: Date): Promise<KeyPair> {
  return constrainedAuthority(
    {
      commonName: `terrarium-satellites ${instance}`,
      usage: 'client',
      dnsName: 'no-server.terrarium.invalid',
      addresses: true,
      uriHost: BUS_HOST.enrolled,
    },
    now,
  );
}
