import { join } from 'node:path';
import type { NatsConnection } from '@nats-io/transport-node';
import { connectBus } from '../bus/connect.ts';

export interface BusConnectionOptions {
  node: string;
  /** `host:port` of this node's nats-server. */
  server: string;
  tlsDir: string;
  /** The connection was lost, or is there again. */
  changed(): void;
  log(line: string): void;
}

/** This instance's connection to its own nats-server. */
export interface BusConnection {
  /** Undefined before it was there for the first time. */
  nc(): NatsConnection | undefined;
  connected(): boolean;
  /** Milliseconds for which it has been there without a break. */
  listeningMs(): number;
  /** Connects for the first time; from then on it comes back by itself. */
  open(): Promise<NatsConnection>;
  close(): Promise<void>;
}

/** Does not connect yet. */
export function createBusConnection({ node, server, tlsDir, changed, log }: BusConnectionOptions): BusConnection {
  let nc: NatsConnection | undefined;
  let connectedAt: number | undefined;
  return {
    nc: () => nc,
    connected: () => connectedAt !== undefined,
    listeningMs: () => (connectedAt === undefined ? 0 : Date.now() - connectedAt),
    async open() {
      const tls = {
        caFile: join(tlsDir, 'ca.crt'),
        certFile: join(tlsDir, 'client.crt'),
        keyFile: join(tlsDir, 'client.key'),
      };
      nc = await connectBus({ servers: [server], tls, name: `cloud ${node}`, onlyThese: true });
      connectedAt = Date.now();
      void followStatus(nc, (up) => {
        connectedAt = up ? Date.now() : undefined;
        log(up ? 'bus: connected' : 'bus: connection lost');
        changed();
      });
      return nc;
    },
    async close() {
      await nc?.close();
    },
  };
}

async function followStatus(nc: NatsConnection, changed: (up: boolean) => void): Promise<void> {
  for await (const status of nc.status()) {
    if (status.type === 'disconnect') {
      changed(false);
    } else if (status.type === 'reconnect') {
      changed(true);
    }
  }
}
