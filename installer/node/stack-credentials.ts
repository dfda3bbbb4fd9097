import { cloudClientIdentity, cloudServerIdentity, satelliteIdentity } from '../../src/bus/identities.ts';
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

/** Every certificate of our own CA that the stack needs on a node. */
export function stackCredentials(spec: ClusterSpec, node: NodeSpec): StackCredential[] {
  const paths = nodePaths(spec);
  const satellite: StackCredential = {
    id: 'satellite',
    files: { dir: `${paths.satellite}/tls`, name: 'client', owner: SATELLITE_UID },
    ...satelliteIdentity(node.name),
  };
  if (node.role !== 'control-plane') {
    return [satellite];
  }
  const cloud = { dir: `${paths.cloud}/tls`, owner: CLOUD_UID };
  return [
    satellite,
    { id: 'cloud', files: { ...cloud, name: 'client' }, ...cloudClientIdentity(node.name) },
    {
      id: 'server',
      files: { ...cloud, name: 'server' },
      ...cloudServerIdentity({
        ...node,
        consoleNames: [
          consoleNameIn(spec.zone ?? DEFAULT_ZONE),
          ...(spec.consoleName === undefined ? [] : [spec.consoleName]),
        ],
      }),
    },
  ];
}
