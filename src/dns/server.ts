import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, isIPv6, type Server, type Socket } from 'node:net';
import { Failure } from '../errors.ts';
import { answer } from './answer.ts';
import { createRateLimit } from './rate.ts';
import type { ZoneData } from './zone.ts';

const IDLE_MS = 10_000;
const MAX_CONNECTIONS = 100;
/** What a connection may have sent without a whole question in it. */
const MAX_PENDING_BYTES = 8 * 1024;

export interface DnsServer {
  port: number;
  stop(): Promise<void>;
}

export interface DnsOptions {
  /** This node's own address: port 53 of another one may be somebody else's. */
  address: string;
  /** 0: any. */
  port: number;
  data: ZoneData;
  now?: () => number;
}

/**
 * Answers for one zone over UDP and TCP (RFC 1035, 7766).
 * @throws Failure `dns-listen`
 */
export async function serveDns({ address, port, data, now = Date.now }: DnsOptions): Promise<DnsServer> {
  const limit = createRateLimit(now);
  const serial = (): number => Math.floor(now() / 1000) >>> 0;

  const tcp = createServer((socket) =>
    serveConnection(socket, (message) =>
      limit.tcp(socket.remoteAddress ?? '') === 'answer' ? answer(message, data, 'tcp', serial()) : undefined,
    ),
  );
  tcp.maxConnections = MAX_CONNECTIONS;
  const udp = createSocket({ type: isIPv6(address) ? 'udp6' : 'udp4' });
  udp.on('message', (message, from) => {
    const verdict = limit.udp(from.address);
    // Port 0 is nobody's: sending there is an error.
    if (verdict === 'drop' || from.port === 0) {
      return;
    }
    const reply = answer(message, data, verdict === 'answer' ? 'udp' : 'limited', serial());
    if (reply !== undefined) {
      udp.send(reply, from.port, from.address, () => undefined);
    }
  });
  const sockets = new Set<Socket>();
  tcp.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });

  try {
    const bound = await listenTcp(tcp, address, port);
    await bindUdp(udp, address, bound);
    // A socket that breaks while it serves is told by the questions that stay unanswered; it must not end the process.
    udp.on('error', () => undefined);
    tcp.on('error', () => undefined);
    return {
      port: bound,
      async stop() {
        for (const socket of sockets) {
          socket.destroy();
        }
        await Promise.all([
          new Promise<void>((resolve) => tcp.close(() => resolve())),
          new Promise<void>((resolve) => udp.close(() => resolve())),
        ]);
      },
    };
  } catch (cause) {
    tcp.close();
    closeQuietly(udp);
    const why =
      (cause as NodeJS.ErrnoException).code === 'EACCES'
        ? 'only root may listen on a port below 1024'
        : (cause as Error).message;
    throw new Failure('dns-listen', `The DNS server cannot listen on ${address} port ${port}: ${why}.`, {
      remedy: 'Choose another port by `ports.dns` in cluster.yaml.',
      cause,
    });
  }
}

/**
 * Answers the questions that come by a connection, each behind its length (RFC 1035, 4.2.2).
 * @param replyTo undefined ends the connection
 */
function serveConnection(socket: Socket, replyTo: (message: Buffer) => Buffer | undefined): void {
  let pending = Buffer.alloc(0);
  socket.setTimeout(IDLE_MS, () => void socket.destroy());
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
      const message = pending.subarray(2, 2 + pending.readUInt16BE(0));
      pending = pending.subarray(2 + message.length);
      const reply = replyTo(message);
      if (reply === undefined) {
        return void socket.destroy();
      }
      const framed = Buffer.alloc(2 + reply.length);
      framed.writeUInt16BE(reply.length, 0);
      reply.copy(framed, 2);
      // A client that does not read its answers gets no more of them.
      if (!socket.write(framed)) {
        return void socket.destroySoon();
      }
    }
    if (pending.length > MAX_PENDING_BYTES) {
      socket.destroy();
    }
  });
}

function listenTcp(server: Server, address: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: address, port }, () => {
      server.off('error', reject);
      resolve((server.address() as { port: number }).port);
    });
  });
}

function bindUdp(socket: UdpSocket, address: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind({ address, port }, () => {
      socket.off('error', reject);
      resolve();
    });
  });
}

function closeQuietly(socket: UdpSocket): void {
  try {
    socket.close();
  } catch {
    // It was never open.
  }
}
