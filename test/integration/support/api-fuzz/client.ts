import { randomBytes } from 'node:crypto';
import { Agent, request } from 'node:https';
import type { Role } from '../../../../src/api/access.ts';

/** A request may take so long: waiting for a position is 2 s, and hashes of passwords queue. */
const HANG_MS = 25_000;

export interface Actor {
  role: Role;
  name: string;
  password: string;
  token: string;
}

export interface Sent {
  method: string;
  /** With its query. */
  path: string;
  headers: Record<string, string>;
  body?: string;
}

export interface Got {
  status: number;
  type: string;
  body: string;
  ms: number;
}

/** As many addresses as wanted, so that one does not use up the logins of all. */
const address = (): string =>
  `127.${1 + ((randomBytes(1)[0] ?? 0) % 250)}.${randomBytes(1)[0]}.${1 + ((randomBytes(1)[0] ?? 0) % 250)}`;

export interface FuzzClient {
  send(sent: Sent): Promise<Got>;
  /** @returns the session's token */
  login(name: string, password: string): Promise<string>;
  close(): void;
}

export function fuzzClient(host: string, port: number, ca: string): FuzzClient {
  // Connections are kept: a handshake for each request would take most of the time.
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  const send = (sent: Sent): Promise<Got> => {
    const began = Date.now();
    return new Promise((resolve, reject) => {
      const logsIn = /^\/api\/v1\/(login|password)/.test(sent.path);
      const connection = logsIn ? { agent: false as const, localAddress: address() } : { agent };
      const req = request(
        {
          host,
          port,
          path: sent.path,
          method: sent.method,
          ca,
          ...connection,
          headers: sent.headers,
          timeout: HANG_MS,
        },
        (answer) => {
          const got = { status: answer.statusCode ?? 0, type: answer.headers['content-type'] ?? '', body: '' };
          const done = (): void => resolve({ ...got, ms: Date.now() - began });
          answer.setEncoding('utf8');
          answer.on('data', (chunk: string) => {
            got.body += chunk;
            // A watch never ends by itself.
            if (got.type.startsWith('text/event-stream')) {
              answer.destroy();
              done();
            }
          });
          answer.on('end', done);
          answer.on('error', () =>
            got.type.startsWith('text/event-stream') ? done() : reject(new Error('the answer broke off')),
          );
        },
      );
      req.on('timeout', () => req.destroy(new Error(`no answer within ${HANG_MS / 1000} s`)));
      req.on('error', (error: NodeJS.ErrnoException) => {
        // The cloud had closed a kept connection, after a body that it did not read to its end; nothing of this request
        // was seen.
        if (req.reusedSocket && error.code === 'ECONNRESET') {
          send(sent).then(resolve, reject);
        } else {
          reject(error);
        }
      });
      req.end(sent.body);
    });
  };

  return {
    send,
    login: async (name, password) => {
      const got = await send({
        method: 'POST',
        path: '/api/v1/login',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ user: name, password }),
      });
      if (got.status !== 200) {
        throw new Error(`login of ${name}: ${got.status} ${got.body}`);
      }
      return (JSON.parse(got.body) as { token: string }).token;
    },
    close: () => agent.destroy(),
  };
}
