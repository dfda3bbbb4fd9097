import { join } from 'node:path';
import { nodePaths } from '../cluster/paths.ts';
import type { ClusterSpec } from '../cluster/spec.ts';
import { makeDir, readText, writeFileDurably } from './files.ts';
import { CLOUD_UID } from './stack-credentials.ts';

/** The customer's own certificate for the console and its key, PEM; the same on every control plane. */
export interface ConsoleTls {
  cert: string;
  key: string;
}

const folder = (spec: ClusterSpec): string => join(nodePaths(spec).cloud, 'tls');

/** What this control plane was given; undefined where the console shows the cluster's own certificate. */
export function storedConsoleTls(spec: ClusterSpec): ConsoleTls | undefined {
  const [cert, key] = [readText(join(folder(spec), 'console.crt')), readText(join(folder(spec), 'console.key'))];
  return cert === undefined || key === undefined ? undefined : { cert, key };
}

/** @param owner the user of the cloud's image. */
export function storeConsoleTls(spec: ClusterSpec, { cert, key }: ConsoleTls, owner = CLOUD_UID): void {
  const dir = folder(spec);
  makeDir(dir, { mode: 0o700, uid: owner });
  writeFileDurably(join(dir, 'console.key'), key, { mode: 0o600, uid: owner });
  writeFileDurably(join(dir, 'console.crt'), cert, { mode: 0o600, uid: owner });
}
