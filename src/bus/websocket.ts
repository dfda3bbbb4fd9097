import { Agent } from 'node:https';
import { nkeyAuthenticator, wsconnect, type NatsConnection } from '@nats-io/transport-node';
import { WebSocket } from 'ws';
import { hostPort } from '../host-port.ts';
import { BUS_PATH, CONNECT_MS, ONE_TRY } from './connect.ts';
import { BUS_SERVER_NAME } from './identities.ts';

export interface WebSocketOptions {
  /** Console and API of a control plane. */
  host: string;
  port: number;
  /** The cluster's CA, PEM. */
  ca: string;
  /** Seed of the satellite's nkey, with which it signs the server's nonce. */
  seed: Uint8Array;
  name: string;
  /** Milliseconds for the try. */
  timeout?: number;
  /** HTTPS_PROXY and NO_PROXY of it are heeded: through a proxy it goes by CONNECT. */
  env: NodeJS.ProcessEnv;
}

/**
 * One try to connect to the bus through the console's port, `wss://HOST:PORT/bus`; the connection is not made anew when
 * it ends.
 * The console must show the cluster's own certificate, by the name that only servers of the bus have, so the address
 * may be any that leads there.
 * @throws what the client of the bus throws
 */
export async function connectByWebSocket({
  host,
  port,
  ca,
  seed,
  name,
  timeout = CONNECT_MS,
  env,
}: WebSocketOptions): Promise<NatsConnection> {
  const agent = new Agent({ keepAlive: false, proxyEnv: env, ca, servername: BUS_SERVER_NAME, minVersion: 'TLSv1.2' });
  return wsconnect({
    ...ONE_TRY,
    timeout,
    servers: `wss://${hostPort(host, port)}`,
    name,
    authenticator: nkeyAuthenticator(seed),
    wsFactory: () => {
      const socket = new WebSocket(`wss://${hostPort(host, port)}${BUS_PATH}`, {
        agent,
        handshakeTimeout: timeout,
        perMessageDeflate: false,
      });
      // The client of the bus takes its own listener away before the last error has come.
      socket.on('error', () => undefined);
      return Promise.resolve({ socket: socket as unknown as globalThis.WebSocket, encrypted: true });
    },
  });
}
