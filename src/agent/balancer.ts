import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Backend, Backends } from './backends.ts';

/** How long one API server may take to accept before the next is tried. */
const CONNECT_TIMEOUT_MS = 1500;

/**
 * The node-local load balancer in front of all API servers: bytes in, bytes out, TLS passes through.
 * The nearest healthy server is asked first (this node's own), the others follow; where none is known to be healthy all
 * are tried.
 */
export function startBalancer(
  listen: { host: string; port: number },
  backends: Backends,
  log: (line: string) => void,
): Server {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (client) => {
    client.on('error', () => client.destroy());
    void dial(backends.candidates(), client).then((found) => {
      if (found === undefined) {
        client.destroy();
        return;
      }
      const { socket, backend } = found;
      backends.opened(backend, socket);
      join(client, socket);
    });
  });
  server.on('error', (error) => {
    log(`load balancer: ${error.message}`);
    process.exitCode = 1;
    process.kill(process.pid, 'SIGTERM');
  });
  server.listen(listen.port, listen.host);
  return server;
}

async function dial(candidates: Backend[], client: Socket): Promise<{ socket: Socket; backend: Backend } | undefined> {
  for (const backend of candidates) {
    if (client.destroyed) {
      return undefined;
    }
    const socket = await connectTo(backend);
    if (socket !== undefined) {
      return { socket, backend };
    }
  }
  return undefined;
}

function connectTo(backend: Backend): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: backend.address, port: backend.port, allowHalfOpen: true, noDelay: true });
    const give = (result: Socket | undefined): void => {
      clearTimeout(timer);
      socket.removeAllListeners('error');
      if (result === undefined) {
        socket.on('error', () => undefined);
        socket.destroy();
      }
      resolve(result);
    };
    const timer = setTimeout(() => give(undefined), CONNECT_TIMEOUT_MS);
    socket.once('connect', () => give(socket));
    socket.once('error', () => give(undefined));
  });
}

function join(client: Socket, upstream: Socket): void {
  const end = (): void => {
    client.destroy();
    upstream.destroy();
  };
  for (const socket of [client, upstream]) {
    socket.on('error', end);
    socket.on('close', end);
  }
  client.pipe(upstream);
  upstream.pipe(client);
}
