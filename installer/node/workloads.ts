import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import type { KubeObject } from '../../src/kube/types.ts';

/** Where the API has those whose controller makes pods that have to be ready. */
export const WATCHED = {
  Deployment: '/apis/apps/v1/deployments',
  StatefulSet: '/apis/apps/v1/statefulsets',
  DaemonSet: '/apis/apps/v1/daemonsets',
} as const;
export type WatchedKind = keyof typeof WATCHED;

/** One of them, as a manifest names it. */
export interface Workload {
  kind: WatchedKind;
  namespace: string;
  name: string;
}

/** The parts of them that we read. */
export interface WorkloadObject extends KubeObject {
  metadata: KubeObject['metadata'] & { generation?: number };
  spec?: { replicas?: number; paused?: boolean };
  status?: {
    observedGeneration?: number;
    readyReplicas?: number;
    updatedReplicas?: number;
    desiredNumberScheduled?: number;
    numberReady?: number;
    conditions?: { type: string; status: string; message?: string }[];
  };
}

const PODS_FROM = ['Pod', 'Deployment', 'StatefulSet', 'DaemonSet', 'ReplicaSet', 'Job'];
const objectSchema = z.object({
  apiVersion: z.string().optional(),
  kind: z.string(),
  metadata: z.object({ name: z.string().optional(), namespace: z.string().optional() }).optional(),
  items: z.array(z.unknown()).optional(),
});
type ManifestObject = z.infer<typeof objectSchema>;

function objectsIn(manifests: string[]): ManifestObject[] {
  const visit = (value: unknown): ManifestObject[] => {
    const object = objectSchema.safeParse(value);
    return object.success ? [object.data, ...(object.data.items ?? []).flatMap(visit)] : [];
  };
  return manifests.flatMap((manifest) => parseAllDocuments(manifest).flatMap((document) => visit(document.toJS())));
}

/** Namespaces of what makes pods, in manifests (YAML with one or more documents). */
export function workloadNamespaces(manifests: string[]): string[] {
  return [
    ...new Set(
      objectsIn(manifests)
        .filter((o) => PODS_FROM.includes(o.kind))
        .map((o) => o.metadata?.namespace ?? 'default'),
    ),
  ].sort();
}

/** What of manifests has a controller that makes its pods, a while after it was applied. */
export function watchedWorkloads(manifests: string[]): Workload[] {
  return objectsIn(manifests).flatMap(({ apiVersion, kind, metadata }) =>
    kind in WATCHED && apiVersion === 'apps/v1'
      ? [{ kind: kind as WatchedKind, namespace: metadata?.namespace ?? 'default', name: metadata?.name ?? '' }]
      : [],
  );
}

/**
 * What a workload lacks yet, in one sentence; undefined where its controller has made all its pods and they are ready.
 * Pure.
 * @param nodes so many that have to be ready: a DaemonSet need not be on those that joined later.
 */
export function lacks(workload: Workload, nodes: number, object: WorkloadObject | undefined): string | undefined {
  const name = `${workload.kind} ${workload.namespace}/${workload.name}`;
  if (object === undefined) {
    return `${name} is not there yet`;
  }
  const { spec, status } = object;
  if ((status?.observedGeneration ?? 0) < (object.metadata.generation ?? 0)) {
    return `${name} has just been applied`;
  }
  // A paused one makes no pods until somebody resumes it.
  if (spec?.paused === true) {
    return undefined;
  }
  const daemons = workload.kind === 'DaemonSet';
  const wanted = daemons ? Math.min(status?.desiredNumberScheduled ?? 0, nodes) : (spec?.replicas ?? 1);
  const ready = (daemons ? status?.numberReady : status?.readyReplicas) ?? 0;
  // Pods of before an update are ready, too; the other kinds may keep them by their own strategy.
  const there = workload.kind === 'Deployment' ? Math.min(ready, status?.updatedReplicas ?? 0) : ready;
  if (there >= wanted) {
    return undefined;
  }
  const why = status?.conditions?.find((c) => c.type === 'ReplicaFailure' && c.status === 'True')?.message;
  return `${name} has ${there} of ${wanted} pods${why === undefined ? '' : `: ${why}`}`;
}
