import type { ApplicationInfo, NodeInfo, Overview, PodInfo } from '../api/overview.ts';
import { applicationAddresses, APPLICATIONS, APPLICATIONS_PATH, hostPorts } from '../kube/applications.ts';
import type { KubeClient } from '../kube/client.ts';
import {
  CONTROL_PLANE_LABEL,
  type ConfigMapObject,
  type NodeObject,
  type PodObject,
  type SecretObject,
  type KubeObject,
} from '../kube/types.ts';
import { watchCollection } from '../kube/watch.ts';
import type { Facts } from '../store/facts.ts';
import type { Changes } from './changes.ts';

const FACT = 'kubernetes';
const SAVE_MS = 5_000;

/** What Kubernetes says of nodes, pods and applications; the last known where it cannot be reached. */
export interface KubernetesView {
  status(): Overview['kubernetes'];
  nodes(): NodeInfo[];
  pods(): PodInfo[];
  applications(): ApplicationInfo[];
  stop(): Promise<void>;
}

export interface KubernetesOptions {
  /** Undefined where this process runs outside a cluster. */
  client: KubeClient | undefined;
  /** Namespace and name of the Secret with the credentials. */
  secret: { namespace: string; name: string };
  facts: Facts;
  changes: Changes;
  log(line: string): void;
  onNodes(nodes: NodeInfo[]): void;
  /** The Secret's values, decoded. */
  onSecret(values: Record<string, string>): void;
}

export function nodeInfo(node: NodeObject): NodeInfo {
  const ready = node.status?.conditions?.find((c) => c.type === 'Ready');
  const isReady = ready?.status === 'True';
  return {
    name: node.metadata.name,
    address: node.status?.addresses?.find((a) => a.type === 'InternalIP')?.address ?? '',
    role: node.metadata.labels?.[CONTROL_PLANE_LABEL] === undefined ? 'worker' : 'control-plane',
    ready: isReady,
    ...(isReady ? {} : { reason: ready?.message ?? ready?.reason ?? 'The node has not reported yet.' }),
    version: node.status?.nodeInfo?.kubeletVersion ?? '',
    createdAt: node.metadata.creationTimestamp ?? '',
  };
}

export function podInfo(pod: PodObject): PodInfo {
  const status = pod.status ?? {};
  const ready = status.conditions?.find((c) => c.type === 'Ready');
  const waiting = status.containerStatuses?.find((c) => c.state?.waiting !== undefined)?.state?.waiting;
  const reason =
    waiting?.message ?? waiting?.reason ?? status.message ?? status.reason ?? ready?.message ?? ready?.reason;
  const isReady = ready?.status === 'True';
  const ports = hostPorts(pod);
  return {
    namespace: pod.metadata.namespace ?? '',
    name: pod.metadata.name,
    node: pod.spec?.nodeName ?? '',
    phase: pod.metadata.deletionTimestamp === undefined ? (status.phase ?? 'Unknown') : 'Terminating',
    ready: isReady,
    hostNetwork: pod.spec?.hostNetwork === true,
    restarts: (status.containerStatuses ?? []).reduce((sum, c) => sum + c.restartCount, 0),
    ...(ports.length === 0 ? {} : { hostPorts: ports }),
    ...(isReady || reason === undefined ? {} : { reason }),
  };
}

interface Saved {
  nodes: NodeInfo[];
  pods: PodInfo[];
  /** What the ConfigMap says, by application. */
  published?: Record<string, string>;
}

/** Begins to watch; returns at once. */
export function watchKubernetes(options: KubernetesOptions): KubernetesView {
  const { client, facts, changes } = options;
  const saved = (facts.get(FACT) as Saved | undefined) ?? { nodes: [], pods: [] };
  const nodes = new Map(saved.nodes.map((n) => [n.name, n]));
  const pods = new Map(saved.pods.map((p) => [`${p.namespace}/${p.name}`, p]));
  const published = new Map(saved.published === undefined ? [] : [[APPLICATIONS.name, saved.published]]);
  const abort = new AbortController();
  let error: string | undefined = client === undefined ? 'This cloud runs outside Kubernetes.' : 'Not reached yet.';
  let since = new Date().toISOString();
  let saveTimer: NodeJS.Timeout | undefined;

  const changed = (): void => {
    changes.notify();
    saveTimer ??= setTimeout(() => {
      saveTimer = undefined;
      facts.put(FACT, {
        nodes: [...nodes.values()],
        pods: [...pods.values()],
        published: published.get(APPLICATIONS.name) ?? {},
      } satisfies Saved);
    }, SAVE_MS);
  };
  const reachable = (failure: Error | undefined): void => {
    if (failure?.message === error) {
      return;
    }
    error = failure?.message;
    since = new Date().toISOString();
    options.log(failure === undefined ? 'kubernetes: reached' : `kubernetes: ${failure.message}`);
    changes.notify();
  };
  const collecting: Collecting = { client, signal: abort.signal, changed };
  const tellNodes = (): void => options.onNodes([...nodes.values()]);
  const secrets = new Map<string, null>();
  const watches = Promise.all([
    collect<NodeObject, NodeInfo>(collecting, '/api/v1/nodes', nodes, {
      key: (o) => o.metadata.name,
      info: nodeInfo,
      told: reachable,
      after: tellNodes,
    }),
    collect<PodObject, PodInfo>(collecting, '/api/v1/pods', pods, {
      key: (o) => `${o.metadata.namespace ?? ''}/${o.metadata.name}`,
      info: podInfo,
    }),
    collect<ConfigMapObject, Record<string, string>>(collecting, APPLICATIONS_PATH, published, {
      key: (o) => o.metadata.name,
      info: (o) => o.data ?? {},
    }),
    collect<SecretObject, null>(collecting, secretPath(options.secret), secrets, {
      key: (o) => o.metadata.name,
      info: (o) => {
        options.onSecret(valuesOf(o));
        return null;
      },
    }),
  ]);

  return {
    status: () => (error === undefined ? { reachable: true, since } : { reachable: false, since, error }),
    nodes: () => [...nodes.values()].sort((a, b) => a.name.localeCompare(b.name)),
    pods: () => [...pods.values()].sort((a, b) => `${a.namespace}/${a.name}`.localeCompare(`${b.namespace}/${b.name}`)),
    applications: () =>
      Object.entries(
        applicationAddresses(published.get(APPLICATIONS.name) ?? {}, [...nodes.values()], [...pods.values()]),
      )
        .map(([application, addresses]) => ({ name: application, addresses }))
        .sort((a, b) => a.name.localeCompare(b.name)),
    async stop() {
      abort.abort();
      clearTimeout(saveTimer);
      await watches;
      client?.close();
    },
  };
}

/** The collection that has this Secret only. */
const secretPath = ({ namespace, name }: KubernetesOptions['secret']): string =>
  `/api/v1/namespaces/${namespace}/secrets?fieldSelector=${encodeURIComponent(`metadata.name=${name}`)}`;

/** The values of a Secret, decoded. */
const valuesOf = ({ data }: SecretObject): Record<string, string> =>
  Object.fromEntries(Object.entries(data ?? {}).map(([k, v]) => [k, Buffer.from(v, 'base64').toString('utf8')]));

interface Collecting {
  client: KubeClient | undefined;
  signal: AbortSignal;
  /** Something that is shown has changed. */
  changed(): void;
}

interface Collection<T, I> {
  key(object: T): string;
  info(object: T): I;
  /** Told when the API is reached, and when it is not. */
  told?(error: Error | undefined): void;
  /** Called after each change. */
  after?(): void;
}

/** Keeps a map in line with a collection of the API until the signal; without a client does nothing. */
async function collect<T extends KubeObject, I>(
  { client, signal, changed }: Collecting,
  path: string,
  map: Map<string, I>,
  { key, info, told = () => undefined, after }: Collection<T, I>,
): Promise<void> {
  if (client === undefined) {
    return;
  }
  const done = (): void => {
    changed();
    after?.();
  };
  await watchCollection<T>(
    client,
    path,
    {
      replace(items) {
        map.clear();
        for (const item of items) {
          map.set(key(item), info(item));
        }
        done();
      },
      changed(item) {
        const before = JSON.stringify(map.get(key(item)));
        const now = info(item);
        map.set(key(item), now);
        // A node's status is written every few seconds without anything that we show.
        if (JSON.stringify(now) !== before) {
          done();
        }
      },
      removed(item) {
        map.delete(key(item));
        done();
      },
      reachable: told,
    },
    signal,
  );
}
