import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { Socket } from 'node:net';
import { z } from 'zod';
import type { Claims } from '../../bus/direct-token.ts';
import { DIRECT_PATH } from '../../bus/direct.ts';
import { QUERY_LIMITS } from '../../bus/frames.ts';
import { Failure, type FailureData } from '../../errors.ts';
import type { KeyPair } from '../../pki/authority.ts';
import type { Pool } from '../sql/pool.ts';
import type { Verdict } from './judge.ts';
import { streamQuery, type Running } from './stream.ts';

/** Seconds for which a browser keeps the answer to its preflight: the longest that Chromium takes. */
const PREFLIGHT_S = 7200;
/** JSON may write a character as six. */
const MAX_BODY_BYTES = 6 * QUERY_LIMITS.sql + 1024;
const MAX_CONNECTIONS = 128;

const bodySchema = z.strictObject({ sql: z.string().min(1).max(QUERY_LIMITS.sql) });

export interface EndpointOptions {
  pool: Pool;
  /** Why none is answered now; undefined while all is well. */
  closed(): FailureData | undefined;
  /** Of the console. */
  origins(): readonly string[];
  /** Before anything else is read from who shows it. */
  check(token: string): Promise<Verdict>;
  judge(token: string, sql: string): Verdict;
}

/** A satellite's own HTTPS server, which answers queries with a token and nothing else. */
export interface Endpoint {
  /** @throws Failure `direct-listen` */
  listen(address: string | undefined, port: number): Promise<void>;
  /** Undefined while it does not listen. */
  port(): number | undefined;
  /** From now on shows this certificate; connections that stand keep theirs. */
  show(pair: KeyPair): void;
  /** Ends all that runs with this. */
  failAll(error: FailureData): void;
  close(): Promise<void>;
}

class Refused extends Error {
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Makes an endpoint, which does not listen yet. */
export function createEndpoint({ pool, closed, origins, check, judge }: EndpointOptions): Endpoint {
  const running = new Set<Running>();
  /** Those too that have not said by TLS who they are: the server itself knows of a connection only after that. */
  const sockets = new Set<Socket>();
  let server: Server | undefined;
  let pair: KeyPair | undefined;

  const answer = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    allowOrigin(req, res, origins());
    const token = acceptRequest(req, res);
    if (token === undefined) {
      return;
    }
    refuseWhileClosed(closed);
    refuse(await check(token));
    const sql = await readSql(req);
    // Both take a while, in which it may have been cut off.
    refuseWhileClosed(closed);
    const { claims } = refuse(judge(token, sql));
    res.writeHead(200, { 'Content-Type': 'application/x-ndjson' });
    // At once: the reader is to see that it is answered, before there are rows.
    res.flushHeaders();
    const query: Running = streamQuery({ res, pool, claims, sql, done: () => void running.delete(query) });
    if (!res.writableEnded && !res.destroyed) {
      running.add(query);
    }
  };

  const handle = (req: IncomingMessage, res: ServerResponse): void => {
    res.setHeader('Cache-Control', 'no-store');
    res.setHeader('X-Content-Type-Options', 'nosniff');
    answer(req, res).catch((error: unknown) => answerProblem(res, error));
  };

  return {
    async listen(address, port) {
      if (pair === undefined) {
        throw new Error('there is no certificate yet');
      }
      const made = createHttps(pair, handle);
      made.on('connection', (socket: Socket) => {
        sockets.add(socket);
        socket.once('close', () => sockets.delete(socket));
      });
      await listenOn(made, address, port);
      server = made;
    },
    port() {
      const at = server?.address();
      return typeof at === 'object' && at !== null ? at.port : undefined;
    },
    show(next) {
      pair = next;
      server?.setSecureContext({ ...next, minVersion: 'TLSv1.2' });
    },
    failAll(error) {
      for (const query of running) {
        query.fail(error);
      }
    },
    async close() {
      const old = server;
      server = undefined;
      if (old === undefined) {
        return;
      }
      const ended = new Promise((resolve) => old.close(resolve));
      old.closeAllConnections();
      for (const socket of sockets) {
        socket.destroy();
      }
      await ended;
    },
  };
}

/**
 * Takes the token from a request; answers a browser's preflight itself, without one.
 * @throws Refused
 */
function acceptRequest(req: IncomingMessage, res: ServerResponse): string | undefined {
  if (req.url !== DIRECT_PATH) {
    throw new Refused(404, 'not-found', 'There is nothing here.');
  }
  if (req.method === 'OPTIONS') {
    res.writeHead(204, {
      'Access-Control-Allow-Methods': 'POST',
      'Access-Control-Allow-Headers': 'authorization, content-type',
      'Access-Control-Max-Age': String(PREFLIGHT_S),
    });
    res.end();
    return undefined;
  }
  if (req.method !== 'POST') {
    res.setHeader('Allow', 'POST, OPTIONS');
    throw new Refused(405, 'method-not-allowed', `${req.method} is not possible here.`);
  }
  const token = /^Bearer +(\S+)$/i.exec(req.headers.authorization ?? '')?.[1];
  if (token === undefined) {
    throw new Refused(401, 'direct.token', 'A token of the cloud is needed.');
  }
  return token;
}

function createHttps(pair: KeyPair, handle: (req: IncomingMessage, res: ServerResponse) => void): Server {
  const server = createServer(
    {
      ...pair,
      minVersion: 'TLSv1.2',
      headersTimeout: 10_000,
      requestTimeout: 15_000,
      keepAliveTimeout: 30_000,
      handshakeTimeout: 10_000,
      maxHeaderSize: 16 * 1024,
    },
    handle,
  );
  server.maxConnections = MAX_CONNECTIONS;
  server.on('tlsClientError', () => undefined);
  return server;
}

/** @throws Failure `direct-listen` */
function listenOn(server: Server, address: string | undefined, port: number): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(
        new Failure(
          'direct-listen',
          `The endpoint of direct queries cannot listen on port ${port}: ${cause.message}.`,
          { remedy: 'Choose another port by `ports.direct` in cluster.yaml, or stop what listens there.', cause },
        ),
      ),
    );
    server.listen({ port, ...(address === undefined ? {} : { host: address }) }, () => resolve());
  });
}

function answerProblem(res: ServerResponse, error: unknown): void {
  if (res.headersSent) {
    res.destroy();
    return;
  }
  const { status, code, message } =
    error instanceof Refused ? error : new Refused(500, 'internal', 'Something went wrong.');
  res.writeHead(status, {
    'Content-Type': 'application/problem+json',
    ...(status === 413 ? { Connection: 'close' } : {}),
  });
  res.end(JSON.stringify({ type: `urn:terrarium:problem:${code}`, title: message, status }));
}

/** @throws Refused where it is no acceptance */
function refuse(verdict: Verdict): { claims: Claims } {
  if ('claims' in verdict) {
    return verdict;
  }
  throw new Refused(verdict.status, verdict.code, verdict.message);
}

/** @throws Refused */
function refuseWhileClosed(closed: () => FailureData | undefined): void {
  const why = closed();
  if (why !== undefined) {
    throw new Refused(503, why.code, why.message);
  }
}

/**
 * Only pages of the console may read answers, and no cookie ever counts. Who is no browser sends no origin.
 * @throws Refused
 */
function allowOrigin(req: IncomingMessage, res: ServerResponse, origins: readonly string[]): void {
  res.setHeader('Vary', 'Origin');
  const { origin } = req.headers;
  if (origin === undefined) {
    return;
  }
  if (!origins.includes(origin)) {
    throw new Refused(403, 'foreign-page', 'This page is not one of the console.');
  }
  res.setHeader('Access-Control-Allow-Origin', origin);
}

/** @throws Refused */
async function readSql(req: IncomingMessage): Promise<string> {
  if (!/^application\/json *(;|$)/i.test(req.headers['content-type'] ?? '')) {
    throw new Refused(415, 'not-json', 'The body must be application/json.');
  }
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of req) {
    size += (chunk as Buffer).length;
    if (size > MAX_BODY_BYTES) {
      throw new Refused(413, 'too-large', 'The body is too large.');
    }
    chunks.push(chunk as Buffer);
  }
  let body: unknown;
  try {
    body = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks)));
  } catch {
    throw new Refused(400, 'not-json', 'The body is not valid JSON.');
  }
  const parsed = bodySchema.safeParse(body);
  if (!parsed.success) {
    throw new Refused(400, 'invalid-body', `The request is not valid: ${z.prettifyError(parsed.error)}`);
  }
  return parsed.data.sql;
}
