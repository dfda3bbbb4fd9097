import type { Identity } from '../pki/authority.ts';
import { busUser } from './subjects.ts';

/**
 * A name that only certificates of the bus's servers carry (nothing resolves it): by it one server admits another, and the cloud
 * its own requests to the system account. A satellite's certificate has no name but its common name.
 */
export const BUS_SERVER_NAME = 'bus.terrarium.internal';

const DAYS = 365;

export interface CloudNode {
  name: string;
  address: string;
  consoleName?: string | undefined;
}

/** `DATA/cloud/tls/server.*`: HTTPS of console and API, and the server of the bus on both its ports. */
export function cloudServerIdentity(node: CloudNode): Identity {
  const names = [node.address, node.name, 'localhost', '127.0.0.1', '::1', BUS_SERVER_NAME, node.consoleName];
  return { commonName: node.name, sans: [...new Set(names.filter((n) => n !== undefined))], usages: ['server', 'client'], days: DAYS };
}

/** `DATA/cloud/tls/client.*`: the cloud on the bus. */
export function cloudClientIdentity(node: string): Identity {
  return { commonName: busUser.cloud(node), sans: [], usages: ['client'], days: DAYS };
}

/** `DATA/satellite/tls/client.*`: a node's satellite on the bus. The bus knows it by exactly this subject: no organization. */
export function satelliteIdentity(node: string): Identity {
  return { commonName: busUser.satellite(node), sans: [], usages: ['client'], days: DAYS };
}
