import type { PodObject } from './types.ts';

/**
 * ConfigMap `applications` in `terrarium-system`: for each application, by its name, a JSON list of addresses
 * (`http://10.0.0.11:8085`, `10.0.0.11:5432`), one for each node and published port. Written by the install, read by
 * CLI and cloud.
 */
export const APPLICATIONS = { namespace: 'terrarium-system', name: 'applications' } as const;

/** The API's path of the list that holds that ConfigMap only; who may read it by its name may list and watch it so. */
export const APPLICATIONS_PATH =
  `/api/v1/namespaces/${APPLICATIONS.namespace}/configmaps` +
  `?fieldSelector=${encodeURIComponent(`metadata.name=${APPLICATIONS.name}`)}`;

/**
 * Ports of the node that a pod takes: those that its containers name, where it is on the host network, else those that
 * it maps.
 */
export function hostPorts(pod: PodObject): number[] {
  const ports = (pod.spec?.containers ?? []).flatMap((c) => c.ports ?? []);
  return [...new Set(ports.flatMap((p) => p.hostPort ?? (pod.spec?.hostNetwork === true ? p.containerPort : [])))].sort(
    (a, b) => a - b,
  );
}

interface NodeAddress {
  name: string;
  address: string;
}

interface PodPorts {
  node: string;
  phase: string;
  hostPorts?: number[];
}

/**
 * The addresses at which the applications are now: of those in the ConfigMap the ones on whose node a pod takes the
 * port. Where no pod names the port, nothing is known about it and all its addresses are given. Pure.
 * @param data of the ConfigMap
 */
export function applicationAddresses(
  data: Record<string, string>,
  nodes: NodeAddress[],
  pods: PodPorts[],
): Record<string, string[]> {
  const nodeOf = new Map(nodes.map((n) => [n.address, n.name]));
  const running = pods.filter((p) => p.node !== '' && p.phase !== 'Succeeded' && p.phase !== 'Failed');
  const lives = (address: string): boolean => {
    const at = hostAndPort(address);
    if (at === undefined || !nodeOf.has(at.host)) {
      return true;
    }
    const takers = running.filter((p) => p.hostPorts?.includes(at.port) === true);
    return takers.length === 0 || takers.some((p) => p.node === nodeOf.get(at.host));
  };
  return Object.fromEntries(Object.entries(data).map(([name, text]) => [name, addresses(text).filter(lives)]));
}

function hostAndPort(address: string): { host: string; port: number } | undefined {
  const match = /^(?:[a-z]+:\/\/)?(?:\[([^\]]+)\]|([^:/]+)):(\d+)/.exec(address);
  return match === null ? undefined : { host: match[1] ?? match[2] ?? '', port: Number(match[3]) };
}

/** A JSON list, or text with one address a line. */
function addresses(text: string): string[] {
  try {
    const parsed: unknown = JSON.parse(text);
    if (Array.isArray(parsed)) {
      return parsed.map(String);
    }
  } catch {
    // Text.
  }
  return text.split(/\s+/).filter((a) => a !== '');
}
