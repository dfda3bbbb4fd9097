import { join } from 'node:path';
import { z } from 'zod';
import type { AgentConfig } from '../../installer/node/agent-config.ts';
import { readText, writeFileDurably } from '../../installer/node/files.ts';
import type { KubeClient } from '../kube/client.ts';
import type { KubeObject } from '../kube/types.ts';
import { watchCollection } from '../kube/watch.ts';
import type { Backend } from './backends.ts';

const savedSchema = z.array(z.object({ address: z.string(), port: z.number() }));

interface EndpointSlice extends KubeObject {
  endpoints?: { addresses?: string[] }[];
  ports?: { name?: string; port?: number }[];
}

function savedPath(config: AgentConfig): string {
  return join(config.data, 'api-servers.json');
}

/**
 * The API servers as last seen, together with those that the configuration names: after a start with every API down,
 * all are tried.
 */
export function knownServers(config: AgentConfig): Backend[] {
  const configured = config.controlPlanes.map((n) => ({ address: n.address, port: config.ports.api }));
  const text = readText(savedPath(config));
  const saved = text === undefined ? undefined : savedSchema.safeParse(JSON.parse(text));
  return union(configured, saved?.success === true ? saved.data : []);
}

/**
 * Follows the API servers' own list (the EndpointSlice of Service `kubernetes`) until the signal is aborted. A server
 * that is down leaves that list within seconds; it stays a candidate here (unhealthy ones come last), so that it is
 * found when it is back.
 */
export async function followServers(
  config: AgentConfig,
  client: KubeClient,
  use: (servers: Backend[]) => void,
  signal: AbortSignal,
): Promise<void> {
  const slices = new Map<string, EndpointSlice>();
  const update = (): void => {
    const listed = [...slices.values()].flatMap((s) =>
      (s.endpoints ?? []).flatMap((e) =>
        (e.addresses ?? []).map((address) => ({ address, port: s.ports?.[0]?.port ?? config.ports.api })),
      ),
    );
    if (listed.length === 0) {
      return;
    }
    const servers = union(listed, knownServers(config));
    const text = JSON.stringify(servers);
    if (readText(savedPath(config)) !== text) {
      writeFileDurably(savedPath(config), text);
    }
    use(servers);
  };
  await watchCollection<EndpointSlice>(
    client,
    '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices' +
      '?labelSelector=kubernetes.io%2Fservice-name%3Dkubernetes',
    {
      replace: (items) => {
        slices.clear();
        for (const item of items) {
          slices.set(item.metadata.name, item);
        }
        update();
      },
      changed: (item) => {
        slices.set(item.metadata.name, item);
        update();
      },
      removed: (item) => {
        slices.delete(item.metadata.name);
        update();
      },
      reachable: () => undefined,
    },
    signal,
  );
}

function union(first: Backend[], second: Backend[]): Backend[] {
  return [...first, ...second.filter((s) => !first.some((f) => f.address === s.address && f.port === s.port))];
}
