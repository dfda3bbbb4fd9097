import { isIP } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { consoleNameIn, satelliteNameIn } from '../../../installer/cluster/zone.ts';
import type { CloudInfo } from '../../api/overview.ts';
import { serveDns, type DnsServer } from '../../dns/server.ts';
import type { ZoneData } from '../../dns/zone.ts';
import type { Registry } from '../satellites.ts';

const AGAIN_MS = 10_000;

export interface ZoneSources {
  zone: string;
  servers(): { name: string; address: string }[];
  /** All instances with their states. */
  clouds(): CloudInfo[];
  registry: Pick<Registry, 'get' | 'has'>;
}

/**
 * The control planes to which the console's name leads: those that are healthy. Where none is, those that answer at
 * all: there one can still read.
 */
export function consoleServers(
  servers: { name: string; address: string }[],
  clouds: CloudInfo[],
): { name: string; address: string }[] {
  const inState = (state: CloudInfo['state']): { name: string; address: string }[] =>
    servers.filter((s) => clouds.some((c) => c.node === s.name && c.state === state));
  const healthy = inState('healthy');
  return healthy.length > 0 ? healthy : inState('not-ready');
}

/** The zone as this instance knows it now. */
export function zoneData({ zone, servers, clouds, registry }: ZoneSources): ZoneData {
  return {
    zone,
    servers: () => servers().map((s) => s.address),
    consoles: () => consoleServers(servers(), clouds()).map((s) => s.address),
    satellite: (id) => registry.get(id)?.addresses,
    hasBelow: (suffix) => registry.has((id) => id.endsWith(`.${suffix}`)),
  };
}

/**
 * Names and addresses now, as lines of a hosts file. A satellite tells its addresses itself: what is no address could
 * be several lines.
 */
export function hostsLines({
  zone,
  servers,
  clouds,
  registry,
}: Pick<ZoneSources, 'zone' | 'servers' | 'clouds'> & { registry: Pick<Registry, 'get' | 'ids'> }): string[] {
  return [
    ...consoleServers(servers(), clouds()).map((s) => `${s.address} ${consoleNameIn(zone)}`),
    ...[...registry.ids()].flatMap((id) =>
      (registry.get(id)?.addresses ?? []).filter((a) => isIP(a) !== 0).map((a) => `${a} ${satelliteNameIn(zone, id)}`),
    ),
  ];
}

/** Keeps the DNS server up; where its port is taken, it tries again: the rest of the cloud does not depend on it. */
export function keepDns(options: { address: string; port: number; data: ZoneData; log(line: string): void }): {
  stop(): Promise<void>;
} {
  const { address, port, data, log } = options;
  const stopping = new AbortController();
  let server: DnsServer | undefined;
  const run = async (): Promise<void> => {
    let last = '';
    while (!stopping.signal.aborted) {
      try {
        server = await serveDns({ address, port, data });
        log(`dns: answers for ${data.zone} on ${address} port ${port}`);
        return;
      } catch (error) {
        const { message } = error as Error;
        if (message !== last) {
          log(`dns: ${message}`);
        }
        last = message;
      }
      await sleep(AGAIN_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  };
  const running = run();
  return {
    async stop() {
      stopping.abort();
      await running;
      await server?.stop();
    },
  };
}
