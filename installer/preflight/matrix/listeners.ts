import { createServer, type Server, type Socket } from 'node:net';
import { isErrno } from '../../../src/errors.ts';

export const BULK_BYTES = 1024 * 1024;

export interface Listeners {
  /** Ports on which we listen; the others are taken. */
  bound: number[];
  close(): void;
}

/** Listens on all ports that are free, on one address (on all, where the machine does not have it). */
export async function listen(address: string, ports: number[], nonce: string): Promise<Listeners> {
  const sockets = new Set<Socket>();
  const servers = await Promise.all(ports.map((port) => open(address, port, nonce, sockets)));
  const open_ = servers.filter((s) => s !== undefined);
  return {
    bound: ports.filter((_, i) => servers[i] !== undefined),
    close: () => {
      for (const socket of sockets) {
        socket.destroy();
      }
      for (const server of open_) {
        server.close();
      }
    },
  };
}

function open(address: string, port: number, nonce: string, sockets: Set<Socket>): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
      echo(socket, nonce);
    });
    server.on('error', (error) => {
      if (isErrno(error, 'EADDRNOTAVAIL')) {
        server.listen(port, () => resolve(server));
      } else if (isErrno(error, 'EADDRINUSE')) {
        resolve(undefined);
      } else {
        reject(error);
      }
    });
    server.listen(port, address, () => resolve(server));
  });
}

/** `ping` is answered by `pong NONCE CLOCK`; `bulk` and then 1 MiB by as much. */
function echo(socket: Socket, nonce: string): void {
  let line = '';
  let expected = 0;
  socket.setNoDelay(true);
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: Buffer) => {
    let rest = chunk;
    while (rest.length > 0) {
      if (expected > 0) {
        const taken = Math.min(expected, rest.length);
        expected -= taken;
        rest = rest.subarray(taken);
        if (expected === 0) {
          socket.write(Buffer.alloc(BULK_BYTES));
        }
        continue;
      }
      const end = rest.indexOf(10);
      line += rest.subarray(0, end === -1 ? rest.length : end).toString('latin1');
      if (line.length > 100) {
        return void socket.destroy();
      }
      if (end === -1) {
        return;
      }
      rest = rest.subarray(end + 1);
      if (line === 'ping') {
        socket.write(`pong ${nonce} ${Date.now()}\n`);
      } else if (line === 'bulk') {
        expected = BULK_BYTES;
      } else {
        return void socket.destroy();
      }
      line = '';
    }
  });
}
