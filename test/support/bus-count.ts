import { join } from 'node:path';
import type { NatsConnection } from '@nats-io/transport-node';
import { connectBus } from '../../src/bus/connect.ts';
import type { LocalClouds, LocalNode } from './local-cloud.ts';

/** What a node's nats-server itself counts, asked over its system account. */
export interface BusCount {
  /** Of all accounts, as `/subsz` says. */
  subscriptions(): Promise<number>;
  /** Clients and their users. */
  connections(): Promise<number>;
  close(): Promise<void>;
}

export async function busCount(clouds: LocalClouds, node: LocalNode): Promise<BusCount> {
  const dir = join(clouds.files.data(node.name), 'cloud/tls');
  const tls = { caFile: join(dir, 'ca.crt'), certFile: join(dir, 'server.crt'), keyFile: join(dir, 'server.key') };
  const nc: NatsConnection = await connectBus({
    servers: [`${node.address}:${clouds.ports.nats}`],
    tls,
    name: 'count',
    onlyThese: true,
  });
  const ask = async <T>(what: string): Promise<T> =>
    (await nc.request(`$SYS.REQ.SERVER.${nc.info?.server_id}.${what}`, '{}', { timeout: 5_000 })).json<{ data: T }>()
      .data;
  // The first request subscribes to its answers.
  await ask('VARZ');
  return {
    subscriptions: async () => (await ask<{ num_subscriptions: number }>('SUBSZ')).num_subscriptions,
    connections: async () => (await ask<{ connections: number }>('VARZ')).connections,
    close: () => nc.close(),
  };
}
