import { randomBytes } from 'node:crypto';
import { openCluster } from './cluster.ts';
import type { ClusterParts } from './cluster/parts.ts';
import type { CoreOptions, Limits } from './core/options.ts';
import { fileStorage } from './file-storage.ts';
import { loadKinds, loadSchema } from './kind.ts';
import type { Replica } from './replica.ts';
import { openSingle } from './single.ts';
import { cachedSpace, spaceOf, type Space } from './space.ts';
import { realTiming } from './timing.ts';

/** What an instance's replica is opened with. */
export interface ReplicaOptions {
  /** This instance: its node's name. */
  self: string;
  /** Folder of its own, on a local disk. */
  dir: string;
  log(line: string): void;
  /** Free space, asked before each write; by default that of `dir`, looked at once a second. */
  space?: () => Space;
  /** Given with three or five instances. */
  cluster?: ClusterParts;
  /** By default `LIMITS` of core/options.ts; a test has smaller ones. */
  limits?: Limits;
}

/**
 * Opens this instance's replica. Without `cluster` the log is a table of the database, and it is ready at once. With
 * `cluster` it finds the stream, or makes it together with the others, in the background: `status().state` tells. The
 * same folder serves both: who was one instance and is opened with `cluster` beside empty ones gives them its history.
 * @throws Failure `store-newer` where the database was written by a newer release.
 */
export async function openReplica(options: ReplicaOptions): Promise<Replica> {
  const parts: CoreOptions = {
    self: options.self,
    kinds: await loadKinds(),
    schema: await loadSchema(),
    storage: fileStorage(options.dir, options.cluster === undefined ? 'FULL' : 'NORMAL'),
    timing: realTiming,
    random: (n) => randomBytes(n),
    log: options.log,
    space: options.space ?? cachedSpace(() => spaceOf(options.dir)),
    ...(options.limits === undefined ? {} : { limits: options.limits }),
  };
  return options.cluster === undefined ? openSingle(parts) : openCluster({ ...parts, ...options.cluster });
}
