import { once } from 'node:events';
import { nkeys } from '@nats-io/transport-node';
import { WebSocket, type ClientOptions } from 'ws';

/** A client of the bus's protocol over WebSocket that does what it is told, the forbidden included. */
export interface RawClient {
  /** Lines from the server so far. */
  lines: string[];
  send(text: string): void;
  /** Resolves when the server has answered; rejects when the connection has ended. */
  ping(): Promise<void>;
  isClosed(): boolean;
  closed: Promise<void>;
  close(): void;
}

export interface RawOptions {
  url: string;
  options: ClientOptions;
  /** Of CONNECT; `nkey` and `sig` come from the seed. */
  fields?: Record<string, unknown>;
  seed?: string;
}

const TRY_MS = 5_000;
/** The fields of CONNECT that each client sends. */
const CONNECT = {
  verbose: false,
  pedantic: false,
  lang: 'test',
  version: '0',
  protocol: 1,
  headers: true,
  no_responders: true,
};

/** Connects and logs in. @throws where the server refuses, or says nothing for 5 s */
export async function rawWebSocket({ url, options, fields = {}, seed }: RawOptions): Promise<RawClient> {
  const socket = new WebSocket(url, { handshakeTimeout: TRY_MS, perMessageDeflate: false, ...options });
  const lines: string[] = [];
  const waiting: { resolve(): void; reject(error: Error): void }[] = [];
  let over = false;
  const ended = new Promise<void>((resolve) => {
    socket.once('close', () => {
      over = true;
      for (const w of waiting.splice(0)) {
        w.reject(new Error(`the connection has ended: ${lines.at(-1) ?? 'nothing was said'}`));
      }
      resolve();
    });
  });
  let wake = (): void => undefined;
  socket.on('message', (data: Buffer) => {
    for (const line of data.toString('latin1').split('\r\n')) {
      if (line === '') {
        continue;
      }
      if (line === 'PING') {
        socket.send('PONG\r\n');
      } else if (line === 'PONG') {
        waiting.shift()?.resolve();
      } else {
        lines.push(line);
      }
    }
    wake();
  });
  socket.on('error', () => undefined);
  await once(socket, 'open', { signal: AbortSignal.timeout(TRY_MS) });
  while (!lines.some((l) => l.startsWith('INFO '))) {
    await Promise.race([
      new Promise<void>((resolve) => (wake = resolve)),
      ended,
      new Promise((_, reject) => setTimeout(() => reject(new Error('no INFO')), TRY_MS).unref()),
    ]);
    if (over) {
      throw new Error('ended before INFO');
    }
  }
  const info = JSON.parse(lines.find((l) => l.startsWith('INFO '))?.slice(5) ?? '{}') as { nonce?: string };
  const pair = seed === undefined ? undefined : nkeys.fromSeed(Buffer.from(seed, 'latin1'));
  const login =
    pair === undefined
      ? {}
      : {
          nkey: pair.getPublicKey(),
          sig: Buffer.from(pair.sign(Buffer.from(info.nonce ?? '', 'latin1'))).toString('base64url'),
        };
  const client: RawClient = {
    lines,
    send: (text) => socket.send(text),
    ping: () =>
      new Promise((resolve, reject) => {
        if (over) {
          return reject(new Error('the connection has ended'));
        }
        waiting.push({ resolve, reject });
        socket.send('PING\r\n');
      }),
    isClosed: () => over,
    closed: ended,
    close: () => socket.terminate(),
  };
  client.send(`CONNECT ${JSON.stringify({ ...CONNECT, ...login, ...fields })}\r\n`);
  await client.ping();
  return client;
}
