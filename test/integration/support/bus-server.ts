import { BusServer } from '../../../src/bus/server.ts';
import { NATS_SERVER, type BusFiles } from '../../support/bus-files.ts';

/** A nats-server of n1 on loopback, without others and without JetStream; it is to be started. */
export function standaloneBusServer(
  files: BusFiles,
  options: { port: number; websocketPort: number; satellites: string[]; state?: string },
): BusServer {
  return new BusServer({
    binary: NATS_SERVER,
    log: () => undefined,
    settings: {
      node: 'n1',
      address: '127.0.0.1',
      port: options.port,
      clusterPort: 0,
      websocketPort: options.websocketPort,
      clusterId: 'test',
      tlsDir: `${files.data('n1')}/cloud/tls`,
      stateDir: `${files.data('n1')}/cloud/${options.state ?? 'state'}`,
    },
    topology: {
      servers: [{ name: 'n1', address: '127.0.0.1' }],
      satellites: options.satellites,
      jetstream: false,
    },
  });
}
