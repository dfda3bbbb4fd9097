import { ServerResponse, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type Koa from 'koa';
import type { CloudContext } from '../context.ts';
import { HttpProblem, problemOf } from './problem.ts';
import type { UpgradeListener } from './server.ts';

/** Takes over a connection to its path, or throws why it does not. @throws HttpProblem, Failure */
export type Upgrade = (ctx: Koa.Context, socket: Duplex, head: Buffer) => Promise<void>;

/** Connections that are to become WebSockets, by path; errors are answered as problems, as those of requests. */
export function upgrades(app: Koa, cloud: CloudContext, paths: Record<string, Upgrade>): UpgradeListener {
  return (req, socket, head) => {
    const gone = (): void => void socket.destroy();
    socket.on('error', gone);
    const ctx = app.createContext(req, new ServerResponse(req)) as Koa.Context;
    take(paths, ctx, req, socket, head).then(
      () => socket.off('error', gone),
      (error: unknown) => {
        const known = problemOf(error);
        if (known === undefined) {
          cloud.log(
            `http: upgrade of ${ctx.path}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
          );
        }
        refuse(
          socket,
          known ?? new HttpProblem(500, 'internal', 'Something went wrong in the cloud. Its log says what.'),
        );
      },
    );
  };
}

async function take(
  paths: Record<string, Upgrade>,
  ctx: Koa.Context,
  req: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  const upgrade = Object.hasOwn(paths, ctx.path) ? paths[ctx.path] : undefined;
  if (upgrade === undefined) {
    throw new HttpProblem(404, 'not-found', 'There is nothing here.');
  }
  if (req.headers.upgrade?.toLowerCase() !== 'websocket') {
    throw new HttpProblem(426, 'upgrade-required', 'This is a WebSocket.', { headers: { Upgrade: 'websocket' } });
  }
  await upgrade(ctx, socket, head);
}

function refuse(socket: Duplex, { problem, headers }: HttpProblem): void {
  const body = JSON.stringify(problem);
  const all = {
    ...headers,
    'Content-Type': 'application/problem+json',
    'Content-Length': String(Buffer.byteLength(body)),
    'Cache-Control': 'no-store',
    Connection: 'close',
  };
  socket.end(
    `HTTP/1.1 ${problem.status} ${problem.type}\r\n${Object.entries(all)
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join('')}\r\n${body}`,
  );
}
