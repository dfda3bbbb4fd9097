import { KubeError, createKubeClient, type KubeAccess } from '../../kube/client.ts';
import type { KubeObject, PodObject } from '../../kube/types.ts';
import { watchCollection } from '../../kube/watch.ts';
import type { Row } from '../table.ts';

/** Changes of pods come in flurries; the table is written once for each. */
const SETTLE_MS = 1_000;
/** An event may be heard before the pod that it is about; and one about a pod's end after it. */
const WAIT_MS = 60_000;
const MAX_WAITING = 500;
const MAX_REMEMBERED = 20_000;

export interface PodDetails extends PodObject {
  metadata: PodObject['metadata'] & { ownerReferences?: { kind: string; name: string; controller?: boolean }[] };
  status?: NonNullable<PodObject['status']> & { podIP?: string; startTime?: string };
}

/** core/v1 Event: one object for each thing that happens, changed each time that it happens again. */
export interface EventObject extends KubeObject {
  involvedObject: { kind?: string; namespace?: string; name?: string; uid?: string };
  type?: string;
  reason?: string;
  message?: string;
  count?: number;
  lastTimestamp?: string | null;
  eventTime?: string | null;
  series?: { count: number; lastObservedTime: string } | null;
  source?: { component?: string; host?: string };
  reportingComponent?: string;
  reportingInstance?: string;
}

/** A row of `pods`. */
export function podRow(pod: PodDetails): Row {
  const { metadata, spec, status } = pod;
  const states = status?.containerStatuses ?? [];
  const owner = metadata.ownerReferences?.find((o) => o.controller === true) ?? metadata.ownerReferences?.[0];
  const waiting = states
    .map((c) => c.state?.waiting?.reason ?? c.state?.terminated?.reason)
    .find((r) => r !== undefined && r !== 'Completed');
  return {
    namespace: metadata.namespace ?? '',
    name: metadata.name,
    uid: metadata.uid ?? null,
    phase: status?.phase ?? null,
    reason: status?.reason ?? waiting ?? (metadata.deletionTimestamp === undefined ? null : 'Terminating'),
    ready: status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True') === true ? 1 : 0,
    containers: spec?.containers?.length ?? 0,
    ready_containers: states.filter((c) => c.ready).length,
    restarts: states.reduce((sum, c) => sum + c.restartCount, 0),
    owner: owner === undefined ? null : `${owner.kind}/${owner.name}`,
    host_network: spec?.hostNetwork === true ? 1 : 0,
    ip: status?.podIP ?? null,
    images: (spec?.containers ?? []).map((c) => c.image ?? '').join(' '),
    labels: JSON.stringify(metadata.labels ?? {}),
    created_at: metadata.creationTimestamp ?? null,
    started_at: status?.startTime ?? null,
  };
}

/** A row of `kubernetes_events`; undefined for an event that does not say when. */
export function eventRow(event: EventObject): Row | undefined {
  const at =
    event.series?.lastObservedTime ?? event.lastTimestamp ?? event.eventTime ?? event.metadata.creationTimestamp;
  const unixMs = Date.parse(at ?? '');
  if (Number.isNaN(unixMs)) {
    return undefined;
  }
  return {
    type: event.type ?? null,
    reason: event.reason ?? null,
    kind: event.involvedObject.kind ?? null,
    namespace: event.involvedObject.namespace ?? '',
    name: event.involvedObject.name ?? null,
    message: event.message?.trim() ?? null,
    source: event.source?.component || event.reportingComponent || null,
    count: event.series?.count ?? event.count ?? 1,
    uid: event.metadata.uid ?? null,
    unix_ms: unixMs,
  };
}

export interface KubernetesStore {
  putPods(rows: Row[]): void;
  addEvents(rows: Row[]): void;
  /**
   * The latest occurrence of each event that is stored: its uid, and its count and time as `occurrence` writes them.
   */
  knownEvents(): { uid: string; count: number; unix_ms: number }[];
}

function occurrence(count: unknown, unixMs: unknown): string {
  return `${String(count)}@${String(unixMs)}`;
}

/** Which events are about this node or its pods, or about any where no node is given, and have not been stored yet. */
export class EventFilter {
  readonly #node: string | undefined;
  readonly #maxAgeMs: number;
  readonly #now: () => number;
  /** Uids of the node's pods; those that have gone with the time until when they are remembered. */
  readonly #pods = new Map<string, number>();
  readonly #seen: Map<string, string>;
  #waiting: { event: EventObject; until: number }[] = [];

  constructor(
    node: string | undefined,
    known: ReturnType<KubernetesStore['knownEvents']>,
    maxAgeMs: number,
    now: () => number,
  ) {
    this.#node = node;
    this.#maxAgeMs = maxAgeMs;
    this.#now = now;
    this.#seen = new Map(known.map((e) => [e.uid, occurrence(e.count, e.unix_ms)]));
  }

  /** Takes note of the pods that are here now; returns the rows of events that had waited for them. */
  pods(uids: Set<string>): Row[] {
    const now = this.#now();
    for (const uid of uids) {
      this.#pods.set(uid, Number.POSITIVE_INFINITY);
    }
    for (const [uid, until] of this.#pods) {
      if (uids.has(uid)) {
        continue;
      }
      if (until === Number.POSITIVE_INFINITY) {
        this.#pods.set(uid, now + WAIT_MS);
      } else if (until < now) {
        this.#pods.delete(uid);
      }
    }
    const waiting = this.#waiting.filter((w) => w.until >= now);
    this.#waiting = [];
    return waiting.flatMap(({ event, until }) => this.#take(event, until));
  }

  take(event: EventObject): Row[] {
    return this.#take(event, this.#now() + WAIT_MS);
  }

  #take(event: EventObject, until: number): Row[] {
    const { kind, name, uid } = event.involvedObject;
    const here =
      this.#node === undefined ||
      event.source?.host === this.#node ||
      event.reportingInstance === this.#node ||
      (kind === 'Node' && name === this.#node) ||
      (kind === 'Pod' && uid !== undefined && this.#pods.has(uid));
    if (!here) {
      if (kind === 'Pod' && this.#waiting.length < MAX_WAITING) {
        this.#waiting.push({ event, until });
      }
      return [];
    }
    const row = eventRow(event);
    if (row === undefined || Number(row['unix_ms']) < this.#now() - this.#maxAgeMs) {
      return [];
    }
    const key = String(row['uid']);
    const now = occurrence(row['count'], row['unix_ms']);
    if (this.#seen.get(key) === now) {
      return [];
    }
    this.#seen.delete(key);
    this.#seen.set(key, now);
    const oldest = this.#seen.keys().next().value;
    if (this.#seen.size > MAX_REMEMBERED && oldest !== undefined) {
      this.#seen.delete(oldest);
    }
    return [row];
  }
}

export interface KubernetesOptions {
  access: KubeAccess;
  /** Whose pods; undefined: of all. */
  node: string | undefined;
  store: KubernetesStore;
  maxAgeMs: number;
  now(): number;
  /** Told on each change: why the table is not up to date, or undefined. */
  state(table: 'pods' | 'kubernetes_events', reason: string | undefined): void;
  signal: AbortSignal;
}

function whyStale(error: Error): string {
  const refused = error instanceof KubeError && error.status !== 0;
  return refused ? `Kubernetes refuses: ${error.message}.` : `${error.message}.`;
}

/** Keeps pods and events of this node in step until the signal; while the API is away, it tries. Never rejects. */
export async function watchKubernetes({
  access,
  node,
  store,
  maxAgeMs,
  now,
  state,
  signal,
}: KubernetesOptions): Promise<void> {
  const client = createKubeClient(access);
  // A list that is under way knows no signal.
  signal.addEventListener('abort', () => client.close(), { once: true });
  const pods = new Map<string, PodDetails>();
  const filter = new EventFilter(node, store.knownEvents(), maxAgeMs, now);
  let timer: NodeJS.Timeout | undefined;
  const settle = (): void => {
    timer ??= setTimeout(() => {
      timer = undefined;
      store.putPods([...pods.values()].map(podRow));
    }, SETTLE_MS);
    const late = filter.pods(new Set([...pods.values()].map((p) => p.metadata.uid ?? '')));
    if (late.length > 0) {
      store.addEvents(late);
    }
  };
  const key = (pod: PodDetails): string => `${pod.metadata.namespace}/${pod.metadata.name}`;
  const reachable =
    (table: 'pods' | 'kubernetes_events') =>
    (error: Error | undefined): void =>
      state(table, error === undefined ? undefined : whyStale(error));
  const add = (events: EventObject[]): void => {
    const rows = events.flatMap((event) => filter.take(event));
    if (rows.length > 0) {
      store.addEvents(rows.sort((a, b) => Number(a['unix_ms']) - Number(b['unix_ms'])));
    }
  };
  await Promise.all([
    watchCollection<PodDetails>(
      client,
      node === undefined ? '/api/v1/pods' : `/api/v1/pods?fieldSelector=${encodeURIComponent(`spec.nodeName=${node}`)}`,
      {
        replace(items) {
          pods.clear();
          for (const pod of items) {
            pods.set(key(pod), pod);
          }
          settle();
        },
        changed(pod) {
          pods.set(key(pod), pod);
          settle();
        },
        removed(pod) {
          pods.delete(key(pod));
          settle();
        },
        reachable: reachable('pods'),
      },
      signal,
    ),
    watchCollection<EventObject>(
      client,
      '/api/v1/events',
      {
        replace: add,
        changed: (event) => add([event]),
        removed: () => undefined,
        reachable: reachable('kubernetes_events'),
      },
      signal,
    ),
  ]);
  clearTimeout(timer);
}
