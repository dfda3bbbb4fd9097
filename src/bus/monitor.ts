import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectBus } from './connect.ts';
import type { Announcement } from './frames.ts';

const POLL_MS = 2_000;
const ANSWER_MS = 1_500;

/** What the server of this node says of itself, asked over the bus's system account: there is no monitoring port. */
export interface BusMonitor {
  current(): Announcement['nats'];
  stop(): Promise<void>;
}

interface Jsz {
  data?: { meta_cluster?: { leader?: string } };
}
interface Routez {
  data?: { routes?: { remote_name?: string }[] };
}

/** Asks every two seconds. `server` as `host:port`; `tlsDir` holds ca.crt and the server's own certificate, which the system account admits. */
export async function monitorBus(options: { server: string; tlsDir: string; node: string }): Promise<BusMonitor> {
  const tls = { caFile: join(options.tlsDir, 'ca.crt'), certFile: join(options.tlsDir, 'server.crt'), keyFile: join(options.tlsDir, 'server.key') };
  const nc = await connectBus({ servers: [options.server], tls, name: `monitor ${options.node}`, onlyThese: true });
  let current: Announcement['nats'] = { role: 'none', peers: [], version: '' };

  const ask = async <T>(what: string): Promise<T | undefined> => {
    const id = nc.info?.server_id;
    if (id === undefined) return undefined;
    try {
      return (await nc.request(`$SYS.REQ.SERVER.${id}.${what}`, '{}', { timeout: ANSWER_MS })).json<T>();
    } catch {
      return undefined;
    }
  };
  const poll = async (): Promise<void> => {
    const routes = await ask<Routez>('ROUTEZ');
    const version = nc.info?.version ?? '';
    if (routes === undefined) {
      current = { role: 'none', peers: [], version };
      return;
    }
    const peers = [...new Set((routes.data?.routes ?? []).map((r) => r.remote_name).filter((n) => n !== undefined))].sort();
    if (nc.info?.jetstream !== true) {
      current = { role: 'single', peers, version };
      return;
    }
    const leader = (await ask<Jsz>('JSZ'))?.data?.meta_cluster?.leader ?? '';
    current = { role: leader === '' ? 'none' : leader === options.node ? 'leader' : 'follower', peers, version };
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
    async stop() {
      stopped.abort();
      await nc.close();
      await running;
    },
  };
}
