import type { Duplex } from 'node:stream';
import type { Context } from 'koa';
import { WebSocketServer, type RawData, type WebSocket } from 'ws';
import type { z } from 'zod';
import { querySchema, streamRequestSchema, type StreamLine } from '../../api/queries.ts';
import type { Caller } from '../auth/access.ts';
import type { CloudContext } from '../context.ts';
import { queryFor } from '../query-start.ts';
import { allowed } from './app.ts';
import { authenticate, awaitSession, refuseForeignOrigin, stillAllowed } from './auth.ts';
import { parseJson } from './json.ts';
import { HttpProblem, invalid, notFound, problemOf, unavailable } from './problem.ts';
import type { Upgrade } from './upgrades.ts';

/** A query's text, and a thousand satellites. */
const MAX_MESSAGE = 1024 * 1024;
/** Bytes that wait in this process for a reader, beyond which the satellites get no credits. */
const MAX_BUFFERED = 1024 * 1024;
/** Requests of one connection that may be without their last line; each is kept until its reader takes it. */
const MAX_UNANSWERED = 200;
/** Between pings; who has not answered one by the next but one is gone. A reader that is behind answers late. */
const PING_MS = 15_000;
/** What a client has to answer the closing, before it is cut off. */
const CLOSE_MS = 1_000;

/** RFC 6455, 7.4.1. */
const GOING_AWAY = 1001;
const POLICY = 1008;

/** Queries over WebSockets, as many on one as their user may have; see `streamRequestSchema` and `StreamLine`. */
export function openQuerySockets(cloud: CloudContext): Upgrade {
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE,
    perMessageDeflate: false,
    clientTracking: true,
  });
  cloud.signal.addEventListener('abort', () => {
    for (const socket of server.clients) {
      end(socket, GOING_AWAY, 'this instance stops');
    }
  });
  return async (ctx: Context, socket: Duplex, head: Buffer) => {
    refuseForeignOrigin(ctx);
    await awaitSession(ctx, cloud);
    const caller = allowed({ scope: 'query' }, authenticate(ctx, cloud));
    if (cloud.signal.aborted) {
      throw new HttpProblem(503, 'starting', 'This instance is stopping.');
    }
    server.handleUpgrade(ctx.req, socket, head, (opened) => serve(opened, ctx, cloud, caller));
  };
}

type Ping = Extract<z.output<typeof streamRequestSchema>, { ping: unknown }>['ping'];

function end(socket: WebSocket, code: number, reason: string): void {
  socket.close(code, reason);
  setTimeout(() => socket.terminate(), CLOSE_MS).unref();
}

/** One client's WebSocket. */
interface Connection {
  socket: WebSocket;
  /** The request that opened it. */
  ctx: Context;
  cloud: CloudContext;
  sender: Sender;
  /** Queries under way, by the client's names for them. */
  running: Map<string, AbortController>;
}

function serve(socket: WebSocket, ctx: Context, cloud: CloudContext, opener: Caller): void {
  const running = new Map<string, AbortController>();
  const sender = pacedSender(socket);
  const connection: Connection = { socket, ctx, cloud, sender, running };
  let unanswered = 0;

  /** Works on a request until its last line has been sent. */
  const answer = async (id: string, work: () => Promise<void>): Promise<void> => {
    unanswered += 1;
    if (unanswered > MAX_UNANSWERED) {
      end(socket, POLICY, 'too many requests');
    } else {
      await work().catch((error: unknown) => tell(connection, id, error));
    }
    unanswered -= 1;
  };

  socket.on('message', (data: RawData, isBinary: boolean) => {
    // What comes after the closing has begun is not asked any more.
    if (socket.readyState !== socket.OPEN) {
      return;
    }
    const request = isBinary ? undefined : parse(String(data));
    if (request === undefined) {
      return end(socket, POLICY, 'not a request');
    }
    if ('cancel' in request) {
      running.get(request.id)?.abort(new Error('cancelled'));
    } else if ('ping' in request) {
      void answer(request.id, () => ping(connection, request.id, request.ping));
    } else {
      void answer(request.id, () => start(connection, request.id, request.query));
    }
  });
  let heard = true;
  socket.on('pong', () => (heard = true));
  const check = (): void => {
    if (!stillAllowed(ctx, cloud, opener, (now) => now.scopes.has('query'))) {
      end(socket, POLICY, 'session');
    }
  };
  const stopChanges = cloud.state.onChange(check);
  const timer = setInterval(() => {
    if (!heard) {
      return socket.terminate();
    }
    heard = false;
    socket.ping();
    check();
  }, PING_MS);
  // What is wrong with a connection closes it, too.
  socket.on('error', () => undefined);
  socket.once('close', () => {
    clearInterval(timer);
    stopChanges();
    sender.stop();
    for (const abort of running.values()) {
      abort.abort(new Error('the reader is gone'));
    }
  });
}

/** Runs a query until its last line has been sent. @throws HttpProblem, Failure */
async function start({ socket, ctx, cloud, sender, running }: Connection, id: string, asked: unknown): Promise<void> {
  if (running.has(id)) {
    throw new HttpProblem(409, 'in-use', `A query ${id} runs on this connection already.`);
  }
  // Each query counts as a use of the session, and is judged by what the caller may do now.
  const caller = allowed({ scope: 'query' }, authenticate(ctx, cloud));
  const body = querySchema.safeParse(asked);
  if (!body.success) {
    throw invalid('body', body.error);
  }
  const { proxy, spec } = queryFor(cloud, caller, body.data, caller.user);
  const abort = new AbortController();
  running.set(id, abort);
  try {
    await proxy.run(
      spec,
      {
        write: (line, json) =>
          sender.send(
            json === undefined ? { id, ...line } : `{"id":${JSON.stringify(id)},${json.slice(1)}`,
            () => 'done' in line && running.delete(id),
            abort.signal,
          ),
      },
      AbortSignal.any([abort.signal, cloud.signal]),
    );
  } catch (error) {
    // Cancelled, or nobody is there any more: there is nothing to be said.
    if (!abort.signal.aborted && socket.readyState === socket.OPEN) {
      throw error;
    }
  } finally {
    if (running.get(id) === abort) {
      running.delete(id);
    }
  }
}

/** @throws HttpProblem where the satellite is not known, or does not answer */
async function ping({ cloud, sender }: Connection, id: string, { satellite, data }: Ping): Promise<void> {
  // No use of a session: who opened this may go on for as long as the connection is not closed, see `check`.
  const proxy = cloud.queries();
  if (proxy === undefined) {
    throw unavailable('bus-down', 'This instance is not connected to its satellites now.');
  }
  if (cloud.registry.get(satellite) === undefined) {
    throw notFound(`There is no satellite ${satellite}.`);
  }
  const ms = await proxy.ping(satellite, data).catch((error: Error) => {
    throw new HttpProblem(504, 'satellite-lost', error.message);
  });
  await sender.send({ id, pong: { satellite, data, ms } });
}

/** Says why a request is not answered; ends the connection where its session has ended. */
async function tell({ socket, cloud, sender }: Connection, id: string, error: unknown): Promise<void> {
  const known = problemOf(error);
  if (known === undefined) {
    cloud.log(`http: query on a WebSocket: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  }
  const { problem } =
    known ?? new HttpProblem(500, 'internal', 'Something went wrong in the cloud. Its log says what.');
  if (problem.status === 401) {
    return end(socket, POLICY, 'session');
  }
  await sender.send({ id, problem }).catch(() => undefined);
}

function parse(text: string): z.output<typeof streamRequestSchema> | undefined {
  try {
    return streamRequestSchema.safeParse(parseJson(text)).data;
  } catch {
    return undefined;
  }
}

interface Sender {
  /** Sends a line, or its JSON; resolves when there is room for a further one. @param before called as it is sent. */
  send(line: StreamLine | string, before?: () => void, signal?: AbortSignal): Promise<void>;
  stop(): void;
}

/** All queries of a connection share its room. */
function pacedSender(socket: WebSocket): Sender {
  let waiting: (() => void)[] = [];
  const release = (): void => {
    const all = waiting;
    waiting = [];
    for (const go of all) {
      go();
    }
  };
  const sent = (): void => {
    if (waiting.length > 0 && socket.bufferedAmount < MAX_BUFFERED) {
      release();
    }
  };
  return {
    stop: release,
    async send(line, before, signal) {
      while (socket.bufferedAmount >= MAX_BUFFERED && socket.readyState === socket.OPEN) {
        await room(signal);
      }
      signal?.throwIfAborted();
      if (socket.readyState !== socket.OPEN) {
        throw new Error('the reader is gone');
      }
      before?.();
      socket.send(typeof line === 'string' ? line : JSON.stringify(line), sent);
    },
  };

  async function room(signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    waiting.push(resolve);
    const onAbort = (): void => resolve();
    signal?.addEventListener('abort', onAbort);
    await promise;
    signal?.removeEventListener('abort', onAbort);
    signal?.throwIfAborted();
  }
}
