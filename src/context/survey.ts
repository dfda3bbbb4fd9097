import type { Overview } from '../api/overview.ts';
import { APPLICATIONS_PATH } from '../kube/applications.ts';
import { createKubeClient, type KubeClient } from '../kube/client.ts';
import type { ConfigMapObject, KubeList, NodeObject, PodObject } from '../kube/types.ts';
import { askApi, askConsole, reason, textOf, type Plane } from './ask.ts';
import type { Context } from './context.ts';

const CONNECT_MS = 2_000;
const ANSWER_MS = 4_000;
/** For an answer that begins and never ends. */
const WHOLE_MS = 8_000;

/** `answers` without `ready`: it is up and says why it is not ready. */
export interface Health {
  answers: boolean;
  ready: boolean;
  why?: string;
}

export interface PlaneHealth extends Plane {
  api: Health;
  console: Health;
}

/** What a cluster says of itself when each of its parts is asked directly. */
export interface Survey {
  at: Date;
  planes: PlaneHealth[];
  /** Undefined where no API server could tell. */
  kubernetes: { nodes: NodeObject[]; pods: PodObject[]; applications: Record<string, string> } | undefined;
  kubernetesError: string | undefined;
  /** Undefined where no console could tell. */
  overview: Overview | undefined;
  overviewError: string | undefined;
}

async function health(ask: () => ReturnType<typeof askApi>): Promise<Health> {
  try {
    const answer = await ask();
    const text = await textOf(answer);
    if (answer.statusCode === 200) {
      return { answers: true, ready: true };
    }
    return { answers: true, ready: false, why: sayWhy(answer.statusCode ?? 0, text) };
  } catch (error) {
    return { answers: false, ready: false, why: reason(error) };
  }
}

/** The API server lists its checks, one a line, failed ones with `[-]`; the console answers with a problem. */
function sayWhy(status: number, text: string): string {
  const checks = [...text.matchAll(/^\[-\](\S+)/gm)].map((m) => m[1]);
  if (checks.length > 0) {
    return `not ready: ${checks.join(', ')}`;
  }
  try {
    const { title } = JSON.parse(text) as { title?: string };
    return title ?? `it answers ${status}`;
  } catch {
    return `it answers ${status}`;
  }
}

/** One attempt after the other until one works. */
async function firstOf<T>(planes: Plane[], look: (plane: Plane) => Promise<T>): Promise<{ value?: T; error?: string }> {
  let error: string | undefined;
  for (const plane of planes) {
    try {
      return { value: await look(plane) };
    } catch (thrown) {
      error = `${plane.name}: ${reason(thrown)}`;
    }
  }
  return error === undefined ? {} : { error };
}

async function askKubernetes(context: Context, plane: Plane): Promise<NonNullable<Survey['kubernetes']>> {
  const client = kubeClient(context, plane);
  try {
    const list = <T>(path: string): Promise<KubeList<T>> => client.request<KubeList<T>>(path, { timeoutMs: ANSWER_MS });
    const [nodes, pods, applications] = await Promise.all([
      list<NodeObject>('/api/v1/nodes'),
      list<PodObject>('/api/v1/pods'),
      list<ConfigMapObject>(APPLICATIONS_PATH),
    ]);
    return { nodes: nodes.items, pods: pods.items, applications: applications.items[0]?.data ?? {} };
  } finally {
    client.close();
  }
}

/** A client of the API server of one control plane, as the administrator. */
export function kubeClient(context: Context, plane: Plane): KubeClient {
  const { ca, clientCertificate, clientKey } = context.kubeconfig;
  const host = plane.address.includes(':') ? `[${plane.address}]` : plane.address;
  return createKubeClient({
    server: `https://${host}:${context.ports.api}`,
    ca,
    cert: clientCertificate,
    key: clientKey,
  });
}

async function askOverview(context: Context, plane: Plane): Promise<Overview> {
  const answer = await askConsole(context, plane, '/api/v1/overview', {
    connectMs: CONNECT_MS,
    answerMs: ANSWER_MS,
    signal: AbortSignal.timeout(WHOLE_MS),
  });
  const text = await textOf(answer);
  if (answer.statusCode !== 200) {
    throw new Error(sayWhy(answer.statusCode ?? 0, text));
  }
  return JSON.parse(text) as Overview;
}

/**
 * Asks every control plane at once, and then one that lives for the rest. Takes at most some seconds, whatever is down.
 */
export async function survey(context: Context): Promise<Survey> {
  const options = { connectMs: CONNECT_MS, answerMs: ANSWER_MS, signal: AbortSignal.timeout(WHOLE_MS) };
  const planes = await Promise.all(
    context.controlPlanes.map(async (plane): Promise<PlaneHealth> => {
      const [api, console] = await Promise.all([
        health(() => askApi(context, plane, '/readyz', options)),
        health(() => askConsole(context, plane, '/readyz', options)),
      ]);
      return { ...plane, api, console };
    }),
  );
  const alive = (part: 'api' | 'console'): PlaneHealth[] =>
    planes.filter((p) => p[part].answers).toSorted((a, b) => Number(b[part].ready) - Number(a[part].ready));
  const [kubernetes, overview] = await Promise.all([
    firstOf(alive('api'), (p) => askKubernetes(context, p)),
    firstOf(alive('console'), (p) => askOverview(context, p)),
  ]);
  return {
    at: new Date(),
    planes,
    kubernetes: kubernetes.value,
    kubernetesError: kubernetes.error,
    overview: overview.value,
    overviewError: overview.error,
  };
}
