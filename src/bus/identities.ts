import { createHash } from 'node:crypto';
import type { Identity } from '../pki/authority.ts';
import { busUser } from './subjects.ts';

/**
 * A name that only certificates of the bus's servers carry (nothing resolves it): by it one server admits another, and
 * the cloud its own requests to the system account. A satellite's certificate has no such names at all.
 */
export const BUS_SERVER_NAME = 'bus.terrarium.internal';

/** Groups of identities: the certificate's organization. */
const BUS_GROUP = {
  cloud: 'terrarium:cloud',
  satellite: 'terrarium:satellite',
  enrolled: 'terrarium:enrolled',
} as const;

/**
 * Hosts of the URIs (SPIFFE ids) by which nats-server knows its clients. It looks such a name up; a subject it would
 * compare, under the lock that all connections share, with each user's, read anew each time: ten thousand satellites
 * that come back would wait minutes for each other.
 * Of each group its own host, so that an authority can be held to one.
 */
export const BUS_HOST = {
  cloud: 'cloud.bus.terrarium.internal',
  satellite: 'satellite.bus.terrarium.internal',
  enrolled: 'enrolled.bus.terrarium.internal',
} as const;

const uri = (...parts: string[]): string => `spiffe://${parts.join('/')}`;

/** A client as nats-server names a user. @throws RangeError for an identity that is none of the bus's clients */
export function busName({ commonName, uri: own }: Pick<Identity, 'commonName' | 'uri'>): string {
  if (own === undefined) {
    throw new RangeError(`${commonName} is no client of the bus`);
  }
  return own;
}

const DAYS = 365;

export interface CloudNode {
  name: string;
  address: string;
  /** Names by which browsers find the console. */
  consoleNames?: readonly string[];
}

/** `DATA/cloud/tls/server.*`: HTTPS of console and API, and the server of the bus on both its ports. */
export function cloudServerIdentity(node: CloudNode): Identity {
  const names = [
    node.address,
    node.name,
    'localhost',
    '127.0.0.1',
    '::1',
    BUS_SERVER_NAME,
    ...(node.consoleNames ?? []),
  ];
  // nats-server presents it as a client too, to its peers.
  return {
    commonName: node.name,
    sans: [...new Set(names)],
    usages: ['server', 'client'],
    days: DAYS,
    organization: BUS_GROUP.cloud,
  };
}

/** `DATA/cloud/tls/client.*`: the cloud on the bus. */
export function cloudClientIdentity(node: string): Identity {
  return {
    commonName: busUser.cloud(node),
    sans: [],
    uri: uri(BUS_HOST.cloud, node),
    usages: ['client'],
    days: DAYS,
    organization: BUS_GROUP.cloud,
  };
}

/** `DATA/satellite/tls/client.*`: a node's satellite on the bus. The bus knows it by exactly this URI. */
export function satelliteIdentity(node: string): Identity {
  return {
    commonName: busUser.satellite(node),
    sans: [],
    uri: uri(BUS_HOST.satellite, node),
    usages: ['client'],
    days: DAYS,
    organization: BUS_GROUP.satellite,
  };
}

/**
 * A satellite of a machine outside the cluster. The key is part of who it is, so that after a revocation the old key's
 * certificate is not the new one's. `key` as `keyId` gives it.
 */
export function enrolledIdentity(id: string, key: string): Identity {
  return {
    commonName: busUser.satellite(id),
    sans: [],
    uri: uri(BUS_HOST.enrolled, key, id),
    usages: ['client'],
    days: DAYS,
    organization: `${BUS_GROUP.enrolled}:${key}`,
  };
}

/** Name of a public key: the first 128 bits of the sha256 of its SubjectPublicKeyInfo (DER), hexadecimal. */
export function keyId(spki: Uint8Array): string {
  return createHash('sha256').update(spki).digest('hex').slice(0, 32);
}
