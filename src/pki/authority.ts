import { X509Certificate, createHash, webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import type * as X509 from '@peculiar/x509';
import { Failure } from '../errors.ts';
import { ALGORITHM, exportKey, generateKeys, importKey, serialNumber, validity, x509 } from './crypto.ts';

/** A certificate and its key, both PEM. The key is a secret: files that hold it have mode 0600. */
export interface KeyPair {
  cert: string;
  key: string;
}

export interface Identity {
  commonName: string;
  /** IP addresses or DNS names. */
  sans: string[];
  /** By which the bus knows the holder (src/bus/identities.ts). */
  uri?: string | undefined;
  usages: ('server' | 'client')[];
  days: number;
  /** The group that the holder belongs to, such as `terrarium:node`. */
  organization?: string | undefined;
}

const AUTHORITY_DAYS = 3653;

/**
 * Makes a CA: P-256, ten years; it may sign leaf certificates only, and what its key usage among `extensions` allows.
 */
export async function selfSigned(commonName: string, extensions: X509.Extension[], now: Date): Promise<KeyPair> {
  const lib = await x509();
  const keys = await generateKeys();
  const cert = await lib.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{ CN: [commonName] }],
    ...validity(now, AUTHORITY_DAYS),
    signingAlgorithm: ALGORITHM,
    keys: keys as never,
    extensions: [
      new lib.BasicConstraintsExtension(true, 0, true),
      ...extensions,
      await lib.SubjectKeyIdentifierExtension.create(keys.publicKey as never),
    ],
  });
  return { cert: `${cert.toString('pem')}\n`, key: await exportKey(keys.privateKey) };
}

/** Makes a cluster's own CA, CN `terrarium-ca ID`. */
export async function createAuthority(clusterId: string, now: Date): Promise<KeyPair> {
  const { KeyUsagesExtension, KeyUsageFlags } = await x509();
  return await selfSigned(
    `terrarium-ca ${clusterId}`,
    [new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true)],
    now,
  );
}

/** Makes a key and a request for it; the key never leaves the machine that calls this. */
export async function createRequest(commonName: string): Promise<{ csr: string; key: string }> {
  const lib = await x509();
  const keys = await generateKeys();
  const csr = await lib.Pkcs10CertificateRequestGenerator.create({
    name: [{ CN: [commonName] }],
    keys: keys as never,
    signingAlgorithm: ALGORITHM,
  });
  return { csr: `${csr.toString('pem')}\n`, key: await exportKey(keys.privateKey) };
}

/**
 * Signs a request. Only the public key is taken from it: name, addresses and usages are the signer's decision.
 * @throws Failure `bad-request` where it is no request, has a key other than P-256, or was not signed by its own key.
 */
export async function signRequest(authority: KeyPair, csrPem: string, identity: Identity, now: Date): Promise<string> {
  return sign(authority, await requestKey(csrPem), identity, now);
}

/**
 * Signs for a public key, which the caller knows to be its owner's.
 * @param spki SubjectPublicKeyInfo, DER
 * @throws Failure `bad-request` where it is no P-256 key
 */
export async function signKey(authority: KeyPair, spki: Uint8Array, identity: Identity, now: Date): Promise<string> {
  let key: webcrypto.CryptoKey;
  try {
    key = await webcrypto.subtle.importKey('spki', Uint8Array.from(spki), ALGORITHM, true, ['verify']);
  } catch (cause) {
    throw new Failure('bad-request', 'The public key cannot be read, or is not P-256.', { cause });
  }
  return sign(authority, key, identity, now);
}

/** A fresh key and its certificate at once, for those who live where the authority is. */
export async function issue(authority: KeyPair, identity: Identity, now: Date): Promise<KeyPair> {
  const keys = await generateKeys();
  return { cert: await sign(authority, keys.publicKey, identity, now), key: await exportKey(keys.privateKey) };
}

/** `sha256:<hex>` of the DER form of the first certificate in `pem`: what `join` pins the CA by. */
export function fingerprint(pem: string): string {
  return `sha256:${createHash('sha256').update(new X509Certificate(pem).raw).digest('hex')}`;
}

async function requestKey(csrPem: string): Promise<webcrypto.CryptoKey> {
  const lib = await x509();
  try {
    const csr = new lib.Pkcs10CertificateRequest(csrPem);
    if (await csr.verify()) {
      const key = await csr.publicKey.export(ALGORITHM, ['verify']);
      return key as unknown as webcrypto.CryptoKey;
    }
  } catch (cause) {
    throw new Failure('bad-request', 'The certificate request cannot be read, or its key is not P-256.', { cause });
  }
  throw new Failure('bad-request', 'The certificate request was not signed by its own key.');
}

async function sign(
  authority: KeyPair,
  publicKey: webcrypto.CryptoKey,
  identity: Identity,
  now: Date,
): Promise<string> {
  const lib = await x509();
  const issuer = new lib.X509Certificate(authority.cert);
  const names = [
    ...identity.sans.map((value) => ({ type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const), value })),
    ...(identity.uri === undefined ? [] : [{ type: 'url' as const, value: identity.uri }]),
  ];
  const usages = identity.usages.map((u) =>
    u === 'server' ? lib.ExtendedKeyUsage.serverAuth : lib.ExtendedKeyUsage.clientAuth,
  );
  const cert = await lib.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: [
      ...(identity.organization === undefined ? [] : [{ O: [identity.organization] }]),
      { CN: [identity.commonName] },
    ],
    issuer: issuer.subjectName,
    ...validity(now, identity.days),
    signingAlgorithm: ALGORITHM,
    publicKey: publicKey as never,
    signingKey: (await importKey(authority.key)) as never,
    extensions: [
      new lib.BasicConstraintsExtension(false, undefined, true),
      new lib.KeyUsagesExtension(lib.KeyUsageFlags.digitalSignature, true),
      new lib.ExtendedKeyUsageExtension(usages),
      ...(names.length === 0 ? [] : [new lib.SubjectAlternativeNameExtension(names)]),
      await lib.SubjectKeyIdentifierExtension.create(publicKey as never),
      await lib.AuthorityKeyIdentifierExtension.create(issuer.publicKey as never),
    ],
  });
  return `${cert.toString('pem')}\n`;
}
