import { X509Certificate } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { createInterface } from 'node:readline';
import { connect, type TLSSocket } from 'node:tls';
import { EXIT, Failure, type FailureData } from '../../src/errors.ts';
import { hostPort } from '../../src/host-port.ts';
import { fingerprint } from '../../src/pki/authority.ts';
import type { PlanEvent } from '../plan/types.ts';
import type { JoinGrant, JoinRequest, JoinStart } from './join-host.ts';

/** The control plane that a machine joins by. */
export interface JoinServer {
  address: string;
  port: number;
}

export interface PinnedCa {
  /** PEM. */
  ca: string;
  /** The address by which this machine reaches the cluster. */
  ownAddress: string;
}

/**
 * Fetches the cluster's CA from a control plane and believes it only if it is the one whose fingerprint was told.
 * @throws Failure `unreachable`, `wrong-cluster`.
 */
export function pinCa(server: JoinServer, expected: string): Promise<PinnedCa> {
  const where = hostPort(server.address, server.port);
  return new Promise((resolve, reject) => {
    const socket: TLSSocket = connect(
      { host: server.address, port: server.port, rejectUnauthorized: false, timeout: 5000 },
      () => {
        const leaf = socket.getPeerCertificate(true);
        const issuer = leaf.issuerCertificate;
        const ownAddress = socket.localAddress ?? '';
        socket.destroy();
        if (issuer?.raw === undefined || leaf.raw === undefined) {
          reject(
            new Failure('wrong-cluster', `${where} does not show the certificate of a cluster.`, {
              remedy: 'Check the address and the port.',
              exitCode: EXIT.usage,
            }),
          );
          return;
        }
        const ca = new X509Certificate(issuer.raw);
        const pem = ca.toString();
        if (fingerprint(pem) !== expected || !new X509Certificate(leaf.raw).verify(ca.publicKey)) {
          reject(
            new Failure(
              'wrong-cluster',
              `${where} is not the cluster that the join command is for: its CA is ${fingerprint(pem)}, expected ` +
                `${expected}.`,
              {
                remedy: 'Use the join command that this cluster printed.',
                exitCode: EXIT.usage,
              },
            ),
          );
          return;
        }
        resolve({ ca: pem, ownAddress });
      },
    );
    socket.on('timeout', () => socket.destroy(new Error('no answer within 5 s')));
    socket.on('error', (error) => reject(unreachable(server, error)));
  });
}

function unreachable(server: JoinServer, error: Error): Failure {
  const why = (error as NodeJS.ErrnoException).code === 'ECONNREFUSED' ? 'connection refused' : error.message;
  return new Failure(
    'unreachable',
    `The control plane ${hostPort(server.address, server.port)} cannot be reached: ${why}.`,
    {
      remedy: 'Check that it runs, that the address is right and that no firewall is in between.',
      exitCode: EXIT.unreachable,
      cause: error,
    },
  );
}

export interface ClientTls {
  ca: string;
  cert?: string;
  key?: string;
}

function open(
  server: JoinServer,
  tls: ClientTls,
  method: string,
  path: string,
  body?: unknown,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const request = httpsRequest(
      {
        host: server.address,
        port: server.port,
        method,
        path,
        ...tls,
        agent: false,
        minVersion: 'TLSv1.3',
        headers:
          text === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) },
      },
      resolve,
    );
    request.on('error', (error) => reject(unreachable(server, error)));
    request.end(text);
  });
}

async function call<T>(server: JoinServer, tls: ClientTls, path: string, body: unknown): Promise<T> {
  const response = await open(server, tls, 'POST', path, body);
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk);
  }
  const value = JSON.parse(Buffer.concat(chunks).toString('utf8')) as T & { error?: FailureData };
  if (response.statusCode === 200) {
    return value;
  }
  const { code = 'refused', message = `it answers ${response.statusCode ?? 0}`, remedy } = value.error ?? {};
  throw new Failure(code, message, { remedy, exitCode: response.statusCode === 500 ? EXIT.failed : EXIT.usage });
}

export function requestJoin(server: JoinServer, ca: string, request: JoinRequest): Promise<JoinGrant> {
  return call(server, { ca }, '/v1/join', request);
}

/**
 * @throws Failure `operation-running` while that control plane is busy with another node, `unknown-node` where this one
 *   is not admitted.
 */
export async function startJoin(server: JoinServer, tls: ClientTls, node: string): Promise<JoinStart> {
  return call<JoinStart>(server, tls, '/v1/join/start', { node });
}

/** The events of the join, from its beginning to its end; throws `unreachable` where the connection breaks. */
export async function* joinEvents(server: JoinServer, tls: ClientTls, operation: string): AsyncGenerator<PlanEvent> {
  const response = await open(server, tls, 'GET', `/v1/operations/${operation}/events`);
  const lines = createInterface({ input: response, crlfDelay: Infinity });
  let ended = false;
  try {
    for await (const line of lines) {
      const event = JSON.parse(line) as PlanEvent;
      ended = event.type === 'end';
      yield event;
    }
  } catch (error) {
    throw unreachable(server, error instanceof Error ? error : new Error(String(error)));
  }
  if (!ended) {
    throw new Failure('coordinator-gone', 'The join stopped before its end.', {
      remedy: 'Run the same command again: it continues where it stopped.',
    });
  }
}
