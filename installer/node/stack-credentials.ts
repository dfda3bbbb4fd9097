import { BUS_GROUP, BUS_SERVER_NAME, cloudClientIdentity, satelliteIdentity } from '../../src/bus/identities.ts';
import type { Identity } from '../../src/pki/authority.ts';
import { nodePaths } from '../cluster/paths.ts';
import type { ClusterSpec, NodeSpec } from '../cluster/spec.ts';
import { DEFAULT_ZONE, consoleNameIn } from '../cluster/zone.ts';
import type { CredentialFiles } from './credentials.ts';

/** Users of the images (/etc/passwd there); files mounted into the pods belong to them. */
export const CLOUD_UID = 65500;
export const SATELLITE_UID = 65501;

export interface StackCredential extends Identity {
  id: string;
  files: CredentialFiles;
}

const DAYS = 365;

/** Every certificate of our own CA that the stack needs on a node. */
export function stackCredentials(spec: ClusterSpec, node: NodeSpec): StackCredential[] {
  const paths = nodePaths(spec);
  const satellite: StackCredential = {
    id: 'satellite',
    files: { dir: `${paths.satellite}/tls`, name: 'client', owner: SATELLITE_UID },
    ...satelliteIdentity(node.name),
  };
  if (node.role !== 'control-plane') return [satellite];
  const cloud = { dir: `${paths.cloud}/tls`, owner: CLOUD_UID };
  return [
    satellite,
    { id: 'cloud', files: { ...cloud, name: 'client' }, ...cloudClientIdentity(node.name) },
    {
      id: 'server',
      files: { ...cloud, name: 'server' },
      commonName: node.name,
      organization: BUS_GROUP.cloud,
      days: DAYS,
      // nats-server presents it as a client too, to its peers.
      usages: ['server', 'client'],
      sans: [node.address, node.name, 'localhost', '127.0.0.1', '::1', BUS_SERVER_NAME, consoleNameIn(spec.zone ?? DEFAULT_ZONE), ...(spec.consoleName === undefined ? [] : [spec.consoleName])],
    },
  ];
}
