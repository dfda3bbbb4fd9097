import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { connect } from 'node:tls';
import { BUS_PATH } from '../../bus/connect.ts';
import { BUS_SERVER_NAME } from '../../bus/identities.ts';

/** Upgrades that are under way or piped at once in one instance: as many as nats-server takes clients. */
const MOST = 12_000;
/** For nats-server to take the connection. */
const CONNECT_MS = 5_000;

export interface BusPipeOptions {
  /** nats-server's WebSocket listener, on loopback. */
  host: string;
  port: number;
  /** PEM, read at each connection: the cluster's CA, and the cloud's own certificate, which opens that listener. */
  tls(): { ca: string; cert: string; key: string };
}

export interface BusPipe {
  /** For the server's event `upgrade`. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  stop(): void;
}

/**
 * Takes WebSocket upgrades of `/bus` to nats-server, byte for byte. Nothing is authenticated here: nats-server has
 * whoever comes sign its nonce, and ends who has not done so in time. Of the request only what belongs to the WebSocket
 * is passed on, and the path is ours: nats-server has others.
 */
export function createBusPipe({ host, port, tls }: BusPipeOptions): BusPipe {
  const open = new Set<Duplex>();

  const refuse = (socket: Duplex, status: string): void => {
    socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  };

  return {
    upgrade(request, socket, head) {
      socket.on('error', () => socket.destroy());
      const { headers } = request;
      if (request.url !== BUS_PATH || request.method !== 'GET' || headers.upgrade?.toLowerCase() !== 'websocket') {
        return refuse(socket, '404 Not Found');
      }
      // A browser names its page, and no page is a satellite: sites other than ours could use it otherwise.
      if (headers.origin !== undefined) {
        return refuse(socket, '403 Forbidden');
      }
      if (open.size >= MOST) {
        return refuse(socket, '503 Service Unavailable');
      }
      const bus = connect({ host, port, servername: BUS_SERVER_NAME, ...tls() });
      const end = (): void => {
        open.delete(socket);
        socket.destroy();
        bus.destroy();
      };
      open.add(socket);
      bus.setTimeout(CONNECT_MS, end);
      bus.on('error', end);
      bus.once('close', end);
      socket.once('close', end);
      bus.once('secureConnect', () => {
        bus.setTimeout(0);
        bus.setNoDelay(true);
        bus.write(`${passedOn(request)}\r\n\r\n`);
        if (head.length > 0) {
          bus.write(head);
        }
        bus.pipe(socket).pipe(bus);
      });
    },
    stop() {
      for (const socket of open) {
        socket.destroy();
      }
    },
  };
}

/** The request as nats-server is to see it, with the address of who asks for its list of connections. */
function passedOn({ headers, socket }: IncomingMessage): string {
  const own = Object.entries(headers).filter(([name]) => name.startsWith('sec-websocket-'));
  return [
    'GET / HTTP/1.1',
    `Host: ${BUS_SERVER_NAME}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    ...own.map(([name, value]) => `${name}: ${String(value)}`),
    ...(socket.remoteAddress === undefined ? [] : [`X-Forwarded-For: ${socket.remoteAddress}`]),
  ].join('\r\n');
}
