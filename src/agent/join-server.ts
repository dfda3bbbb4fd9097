import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { z } from 'zod';
import type { AgentConfig } from '../../installer/node/agent-config.ts';
import { NODE_GROUP } from '../../installer/node/membership.ts';
import { joinHost, joinRequestSchema } from '../../installer/operations/join-host.ts';
import { operationFiles } from '../../installer/plan/files.ts';
import { follow } from '../../installer/plan/follow.ts';
import { COORDINATOR_UNIT, isAlive, unitState } from '../../installer/plan/units.ts';
import { EXIT, Failure, failureData } from '../errors.ts';

const BODY_LIMIT = 64 * 1024;
/** Wrong tokens a minute, all machines together; a token has 192 bits, this keeps the log and the API calm. */
const ATTEMPTS_PER_MINUTE = 60;

/**
 * The agent's HTTPS endpoint on a control plane, by which machines join without ssh:
 *
 * | request | answer | authenticated by |
 * | --- | --- | --- |
 * | `POST /v1/join` `{token, node, csr?}` | `{spec, operation, cert?, ca?}` | the token |
 * | `POST /v1/join/start` `{node}` | `{operation, spec, state}` | the node's certificate |
 * | `GET /v1/operations/ID/events` | the coordinator's events, one JSON object a line | a node's certificate |
 *
 * Errors are {error: FailureData} with status 400, 403, 409 or 500. The server shows its chain with the CA, so that the
 * other side can check the fingerprint that it was told.
 */
export function startJoinServer(config: AgentConfig, signal: AbortSignal, log: (line: string) => void): Server {
  const pki = (name: string): string => readFileSync(join(config.data, 'pki', name), 'utf8');
  const ca = pki('ca.crt');
  const host = joinHost({ name: config.node.name, address: config.node.address, role: config.node.role });
  let attempts: number[] = [];

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '/', 'https://agent');
    const route = `${request.method ?? ''} ${url.pathname}`;
    if (route === 'POST /v1/join') {
      attempts = attempts.filter((at) => Date.now() - at < 60_000);
      if (attempts.push(Date.now()) > ATTEMPTS_PER_MINUTE) {
        throw new Failure('too-many-attempts', 'Too many join requests at once.', { remedy: 'Try again in a minute.' });
      }
      send(response, 200, await host.request(joinRequestSchema.parse(await body(request))));
      return;
    }
    const peer = peerNode(request);
    if (route === 'POST /v1/join/start') {
      const { node } = z.strictObject({ node: z.string() }).parse(await body(request));
      if (node !== peer) {
        throw forbidden(`${peer} may not start the join of ${node}.`);
      }
      send(response, 200, await host.start(node));
      return;
    }
    const operation = /^GET \/v1\/operations\/([a-z0-9-]+)\/events$/.exec(route)?.[1];
    if (operation === undefined) {
      throw new Failure('not-found', `There is nothing at ${url.pathname}.`, { exitCode: EXIT.usage });
    }
    await sendEvents(response, config, operation, Number(url.searchParams.get('from') ?? '0'));
  };

  const server = createServer(
    {
      cert: pki('node.crt') + ca,
      key: pki('node.key'),
      ca,
      requestCert: true,
      rejectUnauthorized: false,
      minVersion: 'TLSv1.3',
    },
    (request, response) => {
      handle(request, response).catch((error: unknown) => {
        log(`join: ${error instanceof Error ? error.message : String(error)}`);
        if (response.headersSent) {
          response.destroy();
        } else {
          send(response, statusOf(error), {
            error:
              error instanceof z.ZodError
                ? { code: 'bad-request', message: 'The request is not valid.' }
                : failureData(error),
          });
        }
      });
    },
  );
  server.on('error', (error) => log(`join endpoint: ${error.message}`));
  server.listen(config.ports.agent, config.node.address, () =>
    log(`joins are accepted on ${config.node.address} port ${config.ports.agent}`),
  );
  signal.addEventListener('abort', () => server.close(), { once: true });
  return server;
}

function statusOf(error: unknown): number {
  if (error instanceof z.ZodError) {
    return 400;
  }
  if (!(error instanceof Failure)) {
    return 500;
  }
  if (error.code === 'operation-running') {
    return 409;
  }
  return error.code === 'forbidden' ? 403 : 400;
}

function forbidden(message: string): Failure {
  return new Failure('forbidden', message, { exitCode: EXIT.usage });
}

/** The name in a certificate of this cluster's nodes. @throws Failure `forbidden` for anybody else. */
function peerNode(request: IncomingMessage): string {
  const socket = request.socket as TLSSocket;
  const certificate = socket.getPeerCertificate();
  if (!socket.authorized || String(certificate.subject?.O) !== NODE_GROUP) {
    throw forbidden('Only a node of this cluster may ask for that.');
  }
  return String(certificate.subject.CN);
}

async function body(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > BODY_LIMIT) {
      throw new Failure('too-large', 'The request is too large.');
    }
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown;
  } catch {
    throw new Failure('bad-request', 'The request is not JSON.');
  }
}

function send(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

async function sendEvents(
  response: ServerResponse,
  config: AgentConfig,
  operation: string,
  from: number,
): Promise<void> {
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  const alive = async (): Promise<boolean> => {
    const state = await unitState(COORDINATOR_UNIT);
    return isAlive(state) && state.operation === operation;
  };
  response.writeHead(200, { 'content-type': 'application/x-ndjson' });
  for await (const { line } of follow({
    path: operationFiles(config.data, operation).events,
    from,
    isAlive: alive,
    signal: gone.signal,
  })) {
    response.write(`${line}\n`);
  }
  response.end();
}
