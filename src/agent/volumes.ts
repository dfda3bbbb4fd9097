import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { AgentConfig } from '../../installer/node/agent-config.ts';
import { KubeError, type KubeClient } from '../kube/client.ts';
import type { KubeObject } from '../kube/types.ts';
import { watchCollection } from '../kube/watch.ts';

export const STORAGE_CLASS = 'local';
const PROVISIONER = 'terrarium.local/directory';
/** Set by the scheduler when it has decided where the pod goes (WaitForFirstConsumer). */
const SELECTED_NODE = 'volume.kubernetes.io/selected-node';

interface Claim extends KubeObject {
  spec?: {
    storageClassName?: string;
    volumeName?: string;
    accessModes?: string[];
    resources?: { requests?: { storage?: string } };
  };
  status?: { phase?: string };
}

/** The volume for a claim: a directory of this node, which only pods on this node can use. Pure. */
export function volumeFor(claim: Claim, node: string, path: string): KubeObject & { spec: object } {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: {
      name: `local-${claim.metadata.uid ?? ''}`,
      annotations: { 'pv.kubernetes.io/provisioned-by': PROVISIONER },
    },
    spec: {
      storageClassName: STORAGE_CLASS,
      // The directory stays when the claim goes: data is never deleted without a person's word.
      persistentVolumeReclaimPolicy: 'Retain',
      accessModes: claim.spec?.accessModes ?? ['ReadWriteOnce'],
      capacity: { storage: claim.spec?.resources?.requests?.storage ?? '1Gi' },
      volumeMode: 'Filesystem',
      local: { path },
      claimRef: {
        apiVersion: 'v1',
        kind: 'PersistentVolumeClaim',
        namespace: claim.metadata.namespace,
        name: claim.metadata.name,
        uid: claim.metadata.uid,
      },
      nodeAffinity: {
        required: {
          nodeSelectorTerms: [
            { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: [node] }] },
          ],
        },
      },
    },
  };
}

/** Whether a claim waits for this node. Pure. */
export function waitsFor(claim: Claim, node: string): boolean {
  return (
    claim.spec?.storageClassName === STORAGE_CLASS &&
    claim.spec.volumeName === undefined &&
    claim.metadata.annotations?.[SELECTED_NODE] === node &&
    claim.metadata.deletionTimestamp === undefined
  );
}

/**
 * Gives each claim of StorageClass `local` that was scheduled here its directory below DATA/volumes, until the signal
 * is aborted.
 */
export async function startVolumes(
  config: AgentConfig,
  client: KubeClient,
  signal: AbortSignal,
  log: (line: string) => void,
): Promise<void> {
  const provision = async (claim: Claim): Promise<void> => {
    if (!waitsFor(claim, config.node.name)) {
      return;
    }
    const path = join(
      config.data,
      'volumes',
      `${claim.metadata.namespace ?? 'default'}-${claim.metadata.name}-${claim.metadata.uid ?? ''}`,
    );
    try {
      mkdirSync(path, { recursive: true });
      for (const [dir, mode] of [
        [join(config.data, 'volumes'), 0o755],
        [path, 0o777],
      ] as const) {
        chmodSync(dir, mode);
      }
      await client.request('/api/v1/persistentvolumes', {
        method: 'POST',
        body: volumeFor(claim, config.node.name, path),
      });
      log(`claim ${claim.metadata.namespace ?? ''}/${claim.metadata.name}: its data lies in ${path}`);
    } catch (error) {
      if (error instanceof KubeError && error.status === 409) {
        return;
      }
      log(`claim ${claim.metadata.name} gets no volume: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  await watchCollection<Claim>(
    client,
    '/api/v1/persistentvolumeclaims',
    {
      replace: (items) => {
        for (const item of items) {
          void provision(item);
        }
      },
      changed: (item) => void provision(item),
      removed: () => undefined,
      reachable: () => undefined,
    },
    signal,
  );
}
