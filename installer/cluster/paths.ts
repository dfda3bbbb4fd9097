import { join } from 'node:path';
import { VERSION } from '../../src/version.ts';

/** Where things lie on a node, all below the two roots of ClusterSpec (`prefix`: programs, `data`: state). */
export interface NodePaths {
  prefix: string;
  data: string;
  releases: string;
  release: string;
  /** prefix/current -> releases/VERSION */
  current: string;
  bin: string;
  /** The executable with its payload: the node's own copy of the bundle. */
  executable: string;
  pki: string;
  operations: string;
  containerd: string;
  containerdSocket: string;
  cloud: string;
  satellite: string;
  volumes: string;
  /** Changes made to the host, in order, each with its undo: see host-changes.ts */
  hostChanges: string;
  /** NodeIdentity as JSON. */
  node: string;
}

export const RUN_DIR = '/run/terrarium';

export function nodePaths(roots: { prefix: string; data: string }, version: string = VERSION): NodePaths {
  const { prefix, data } = roots;
  const current = join(prefix, 'current');
  return {
    prefix,
    data,
    releases: join(prefix, 'releases'),
    release: join(prefix, 'releases', version),
    current,
    bin: join(current, 'bin'),
    executable: join(current, 'bin/terrarium'),
    pki: join(data, 'pki'),
    operations: join(data, 'operations'),
    containerd: join(data, 'containerd'),
    containerdSocket: `${RUN_DIR}/containerd.sock`,
    cloud: join(data, 'cloud'),
    satellite: join(data, 'satellite'),
    volumes: join(data, 'volumes'),
    hostChanges: join(data, 'host-changes.json'),
    node: join(data, 'node.json'),
  };
}
