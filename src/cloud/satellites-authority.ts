import { X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { enrolledIdentity, keyId } from '../bus/identities.ts';
import { replaceFile } from '../durable.ts';
import { Failure } from '../errors.ts';
import { selfSigned, signRequest, type KeyPair } from '../pki/authority.ts';
import { DAY_MS, x509 } from '../pki/crypto.ts';
import { nameConstraints } from '../pki/name-constraints.ts';

/** An authority that is about to end signs nothing more. */
const LEAST_LEFT_MS = 400 * DAY_MS;

/** Signs for satellites that enrol at this instance. */
export interface SatellitesAuthority {
  /** Its certificate, PEM. */
  cert: string;
  /** The id of the request's key. @throws Failure `bad-request` */
  keyOf(csr: string): Promise<string>;
  /** @throws Failure `bad-request` */
  sign(csr: string, id: string): Promise<{ certificate: string; key: string }>;
}

/**
 * This instance's own authority, made at its first use. The cluster's CA stays with root: this one's key never leaves the instance, and
 * the bus trusts its certificate for clients only, for as long as a satellite in the state has one of its certificates. It can sign for clients
 * alone, and for no name of a server: by its constraints, not by its good will.
 */
export async function openSatellitesAuthority(dir: string, instance: string, now: () => Date = () => new Date()): Promise<SatellitesAuthority> {
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
      return { key, certificate: await signRequest(own, csr, enrolledIdentity(id, key), now()) };
    },
  };
}

/** Certificate and key lie in one file, so that there is never one without the other. */
async function load(file: string, instance: string, now: Date): Promise<KeyPair> {
  if (existsSync(file)) {
    const [cert = '', key = ''] = readFileSync(file, 'utf8').split(/(?=-----BEGIN PRIVATE KEY-----)/);
    if (new X509Certificate(cert).validToDate.getTime() - now.getTime() > LEAST_LEFT_MS) return { cert, key };
  }
  const made = await createSatellitesAuthority(instance, now);
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  replaceFile(file, made.cert + made.key, { mode: 0o600 });
  return made;
}

/** A CA for clients only; of DNS names nothing but one that nobody has, so none of the bus's servers. */
export async function createSatellitesAuthority(instance: string, now: Date): Promise<KeyPair> {
  const lib = await x509();
  const extensions = [new lib.KeyUsagesExtension(lib.KeyUsageFlags.keyCertSign, true), new lib.ExtendedKeyUsageExtension([lib.ExtendedKeyUsage.clientAuth]), await nameConstraints(NO_SERVER, { addresses: true })];
  return await selfSigned(`terrarium-satellites ${instance}`, extensions, now);
}

const NO_SERVER = 'no-server.terrarium.invalid';
