import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/transport-node';
import { connectBus } from './connect.ts';
import type { Announcement } from './frames.ts';
import { asLeader, type MetaCluster, type MetaServer } from './meta-group.ts';

const POLL_MS = 2_000;
const ANSWER_MS = 1_500;
/** It answers when a majority has it on disk. */
const REMOVE_MS = 5_000;

/**
 * What the server of this node says of itself, and what only it may do, over the bus's system account: there is no
 * monitoring port.
 */
export interface BusMonitor {
  current(): Announcement['nats'];
  /** When the server read its configuration last, by its own word; undefined where it does not answer. */
  loadedAt(): Promise<string | undefined>;
  /** Ends the client connections of this server whose user is not one of these. @returns how many. */
  cut(users: ReadonlySet<string>): Promise<number>;
  /** The servers of JetStream's meta group; undefined where this one does not lead it or did not answer last. */
  metaGroup(): MetaServer[] | undefined;
  /**
   * Takes a server out of JetStream's meta group and of all streams, whose copies go to others as far as there are any.
   * @throws where it is refused or not confirmed
   */
  removeServer(id: string): Promise<void>;
  stop(): Promise<void>;
}

interface Jsz {
  data?: { meta_cluster?: MetaCluster };
}
interface Routez {
  data?: { routes?: { remote_name?: string }[] };
}
interface Varz {
  data?: { config_load_time?: string };
}
interface Connz {
  data?: { total?: number; connections?: { cid: number; authorized_user?: string }[] };
}
interface Removed {
  error?: { description?: string };
}
const CONNECTIONS_AT_ONCE = 1024;

/** Asks the server of this connection. @returns undefined where it does not answer */
async function askServer<T>(nc: NatsConnection, what: string, options: object = {}): Promise<T | undefined> {
  const id = nc.info?.server_id;
  if (id === undefined) {
    return undefined;
  }
  try {
    return (
      await nc.request(`$SYS.REQ.SERVER.${id}.${what}`, JSON.stringify(options), { timeout: ANSWER_MS })
    ).json<T>();
  } catch {
    return undefined;
  }
}

function roleIn(meta: MetaCluster | undefined, node: string): Announcement['nats']['role'] {
  const leader = meta?.leader ?? '';
  if (leader === '') {
    return 'none';
  }
  return leader === node ? 'leader' : 'follower';
}

/**
 * Asks every two seconds. `server` as `host:port`; `tlsDir` holds ca.crt and the server's own certificate, which the
 * system account admits.
 */
export async function monitorBus(options: { server: string; tlsDir: string; node: string }): Promise<BusMonitor> {
  const tls = {
    caFile: join(options.tlsDir, 'ca.crt'),
    certFile: join(options.tlsDir, 'server.crt'),
    keyFile: join(options.tlsDir, 'server.key'),
  };
  const nc = await connectBus({ servers: [options.server], tls, name: `monitor ${options.node}`, onlyThese: true });
  let current: Announcement['nats'] = { role: 'none', peers: [], version: '' };
  let group: MetaServer[] | undefined;

  const poll = async (): Promise<void> => {
    const routes = await askServer<Routez>(nc, 'ROUTEZ');
    const version = nc.info?.version ?? '';
    if (routes === undefined) {
      group = undefined;
      current = { role: 'none', peers: [], version };
      return;
    }
    const peers = [
      ...new Set((routes.data?.routes ?? []).map((r) => r.remote_name).filter((n) => n !== undefined)),
    ].sort();
    if (nc.info?.jetstream !== true) {
      group = undefined;
      current = { role: 'single', peers, version };
      return;
    }
    const meta = (await askServer<Jsz>(nc, 'JSZ'))?.data?.meta_cluster;
    group = meta === undefined ? undefined : asLeader(options.node, meta, peers);
    current = { role: roleIn(meta, options.node), peers, version };
  };
  const stopped = new AbortController();
  const loop = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      await poll();
      await sleep(POLL_MS, undefined, { signal: stopped.signal }).catch(() => undefined);
    }
  };
  const running = loop();
  return {
    current: () => current,
    loadedAt: async () => (await askServer<Varz>(nc, 'VARZ'))?.data?.config_load_time,
    async cut(users) {
      const strangers: number[] = [];
      for (let offset = 0, total = 1; offset < total; offset += CONNECTIONS_AT_ONCE) {
        const page = (await askServer<Connz>(nc, 'CONNZ', { auth: true, offset, limit: CONNECTIONS_AT_ONCE }))?.data;
        total = page?.total ?? 0;
        // Who has not said yet who he is has his own limit of time.
        for (const c of page?.connections ?? []) {
          if (c.authorized_user !== undefined && !users.has(c.authorized_user)) {
            strangers.push(c.cid);
          }
        }
      }
      for (const cid of strangers) {
        await askServer(nc, 'KICK', { cid });
      }
      return strangers.length;
    },
    metaGroup: () => group,
    async removeServer(id) {
      const { error } = (
        await nc.request('$JS.API.SERVER.REMOVE', JSON.stringify({ peer_id: id }), { timeout: REMOVE_MS })
      ).json<Removed>();
      if (error !== undefined) {
        throw new Error(error.description ?? 'nats-server refused it');
      }
    },
    async stop() {
      stopped.abort();
      await nc.close();
      await running;
    },
  };
}
