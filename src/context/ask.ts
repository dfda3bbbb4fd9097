import { X509Certificate } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { request, type RequestOptions } from 'node:https';
import type { Socket } from 'node:net';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import type { Context } from './context.ts';

export type Plane = Context['controlPlanes'][number];

export interface AskOptions {
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  headers?: Record<string, string>;
  body?: string;
  signal?: AbortSignal;
  /** Milliseconds until the connection stands. */
  connectMs?: number;
  /** Milliseconds until the answer begins. */
  answerMs?: number;
}

/** A certificate is good if it names the node by address or by name, or is the console's own. */
function identity(names: string[]): (host: string, cert: PeerCertificate) => Error | undefined {
  return (_, cert) => {
    let first: Error | undefined;
    for (const name of names) {
      const error = checkServerIdentity(name, cert);
      if (error === undefined) {
        return undefined;
      }
      first ??= error;
    }
    return first;
  };
}

function send(
  options: RequestOptions,
  { body, connectMs = 2_000, answerMs = 15_000, signal }: AskOptions,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const sent = request({ ...options, agent: false, ...(signal === undefined ? {} : { signal }) }, (answer) => {
      clearTimeout(timer);
      resolve(answer);
    });
    let timer = setTimeout(() => sent.destroy(new Error(`no connection within ${connectMs / 1000} s`)), connectMs);
    sent.on('socket', (socket: Socket) =>
      socket.once('secureConnect', () => {
        clearTimeout(timer);
        timer = setTimeout(() => sent.destroy(new Error(`no answer within ${answerMs / 1000} s`)), answerMs);
      }),
    );
    sent.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    sent.end(body);
  });
}

/** Names in the customer's own certificate, which is the first of what was given. */
function namesIn(pem: string): string[] {
  return [...(new X509Certificate(pem).subjectAltName ?? '').matchAll(/(?:DNS|IP Address):([^,\s]+)/g)].map((m) =>
    (m[1] ?? '').replace(/^\*\./, 'any.'),
  );
}

/** Sends one request to the console of one control plane; rejects where nobody answers, or somebody else does. */
export function askConsole(
  context: Context,
  plane: Plane,
  path: string,
  options: AskOptions = {},
): Promise<IncomingMessage> {
  const { ca, consoleCa, consoleName, token } = context;
  const names = [
    plane.address,
    plane.name,
    ...(consoleName === undefined ? [] : [consoleName]),
    ...(consoleCa === undefined ? [] : namesIn(consoleCa)),
  ];
  return send(
    {
      host: plane.address,
      port: context.ports.console,
      path,
      method: options.method ?? 'GET',
      // The customer's own certificate is shown only to those who ask for its name.
      servername: '',
      ca: [ca, ...(consoleCa === undefined ? [] : [consoleCa])],
      // The customer may have given the certificate alone: then it is trusted by itself.
      allowPartialTrustChain: consoleCa !== undefined,
      checkServerIdentity: identity(names),
      minVersion: 'TLSv1.2',
      headers: { authorization: `Bearer ${token}`, ...options.headers },
    },
    options,
  );
}

/** Sends one request to the API server of one control plane, as the administrator. */
export function askApi(
  context: Context,
  plane: Plane,
  path: string,
  options: AskOptions = {},
): Promise<IncomingMessage> {
  const { ca, clientCertificate, clientKey } = context.kubeconfig;
  return send(
    {
      host: plane.address,
      port: context.ports.api,
      path,
      method: options.method ?? 'GET',
      servername: '',
      ca,
      cert: clientCertificate,
      key: clientKey,
      checkServerIdentity: identity([plane.address, plane.name]),
      minVersion: 'TLSv1.2',
      headers: options.headers ?? {},
    },
    options,
  );
}

/** The whole answer as text. */
export async function textOf(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of answer) {
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** A connection's failure in a few words, without a library's names. */
export function reason(error: unknown): string {
  const { code, message } = error as { code?: string; message?: string };
  switch (code) {
    case 'ECONNREFUSED':
      return 'the connection was refused';
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return 'there is no route to it';
    case 'ECONNRESET':
      return 'the connection was cut';
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'CERT_SIGNATURE_FAILURE':
      return "its certificate is not of this cluster's CA";
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return 'its certificate is for another machine';
    case 'CERT_HAS_EXPIRED':
      return 'its certificate has expired';
    default:
      return message === undefined || message === '' ? (code ?? 'unknown reason') : message;
  }
}
