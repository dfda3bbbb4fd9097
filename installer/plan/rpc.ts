import type { IncomingMessage } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import { createInterface } from 'node:readline';
import { Failure, type FailureData } from '../../src/errors.ts';
import type { NodeSpec } from '../cluster/spec.ts';
import type { TlsFiles } from './executor.ts';
import type { ExecutorState, LeafMessage } from './messages.ts';
import type { LeafRequest } from './schema.ts';
import { failureFrom } from './sentence.ts';
import type { Json } from './types.ts';

/** A connection that keeps silent so long is dead (executors say `alive` every second), milliseconds. */
const SILENCE_MS = 10_000;

/** The executor could not be reached, or was lost while it was at work. Trying again is right. */
export class Unreachable extends Error {
  override name = 'Unreachable';
  /** Whether it had been reached before it was lost. */
  readonly connected: boolean;

  constructor(reason: string, connected: boolean) {
    super(reason);
    this.connected = connected;
  }
}

type OnMessage = (message: LeafMessage) => void;

/** One node's executor. All calls throw Unreachable, or the Failure that the executor answered with. */
export interface ExecutorClient {
  leaf(request: Omit<LeafRequest, 'operation'>, onMessage: OnMessage): Promise<Json>;
  procedure(name: string, args: Json, onMessage: OnMessage): Promise<Json>;
  state(): Promise<ExecutorState>;
  /** Asks the executor to end. */
  finish(): Promise<void>;
  close(): void;
}

export interface ClientOptions {
  operation: string;
  node: NodeSpec;
  port: number;
  tls: TlsFiles;
}

const REASONS: Record<string, string> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection lost',
  EPIPE: 'connection lost',
  ETIMEDOUT: 'no answer',
  EHOSTUNREACH: 'no route to the machine',
  ENETUNREACH: 'no route to the machine',
};

export function executorClient(options: ClientOptions): ExecutorClient {
  const { operation, node, port, tls } = options;
  const agent = new Agent({ ...tls, keepAlive: true, minVersion: 'TLSv1.3' });

  function send(method: string, path: string, body?: object): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const text = body === undefined ? undefined : JSON.stringify(body);
      const request = httpsRequest({
        agent,
        method,
        path,
        host: node.address,
        port,
        timeout: SILENCE_MS,
        headers:
          text === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) },
      });
      request.on('timeout', () => request.destroy(new Unreachable('no answer', false)));
      request.on('error', (error) => reject(connectionError(error, node)));
      request.on('response', resolve);
      request.end(text);
    });
  }

  async function once<T>(method: string, path: string, body?: object): Promise<T> {
    const response = await send(method, path, body);
    const value = JSON.parse(await text(response)) as T | FailureData;
    if (response.statusCode !== 200) {
      throw failureFrom(value as FailureData);
    }
    return value as T;
  }

  async function stream(path: string, body: object, onMessage: OnMessage): Promise<Json> {
    const response = await send('POST', path, body);
    if (response.statusCode !== 200) {
      throw failureFrom(JSON.parse(await text(response)) as FailureData);
    }
    const lines = createInterface({ input: response, crlfDelay: Infinity });
    try {
      for await (const line of lines) {
        const message = JSON.parse(line) as LeafMessage;
        if (message.type === 'result') {
          return message.value;
        }
        if (message.type === 'error') {
          throw failureFrom(message.error);
        }
        if (message.type !== 'alive') {
          onMessage(message);
        }
      }
    } catch (error) {
      if (error instanceof Failure) {
        throw error;
      }
      throw new Unreachable('connection lost', true);
    } finally {
      lines.close();
      response.resume();
    }
    throw new Unreachable('connection lost', true);
  }

  return {
    leaf: (request, onMessage) => stream('/v1/leaf', { operation, ...request }, onMessage),
    procedure: (name, args, onMessage) => stream('/v1/procedure', { operation, name, args }, onMessage),
    state: () => once<ExecutorState>('GET', '/v1/state'),
    finish: async () => {
      await once('POST', '/v1/finish', {});
    },
    close: () => agent.destroy(),
  };
}

async function text(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      chunks.push(chunk);
    }
  } catch {
    throw new Unreachable('connection lost', true);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function connectionError(error: Error, node: NodeSpec): Error {
  if (error instanceof Unreachable) {
    return error;
  }
  const code = (error as NodeJS.ErrnoException).code ?? '';
  const reason = REASONS[code];
  if (reason !== undefined || code === '') {
    return new Unreachable(reason ?? error.message, false);
  }
  if (/CERT|SSL|TLS|SELF_SIGNED|UNABLE_TO/.test(code)) {
    return new Failure(
      'executor-untrusted',
      `The executor on ${node.name} (${node.address}) does not show a certificate of this cluster: ${error.message}.`,
      {
        host: node.name,
        remedy: 'Check that the address belongs to that machine and that its clock is right.',
        cause: error,
      },
    );
  }
  return new Unreachable(error.message, false);
}
