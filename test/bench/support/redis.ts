import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { freePorts } from '../../support/bus-files.ts';

/**
 * Debian's Redis: the program of the package redis-tools is the server, too, where it is called by that name. The
 * package redis-server would start a service of its own on this machine.
 */
const PROGRAM = '/usr/bin/redis-check-rdb';

export interface RedisServer {
  port: number;
  stop(): Promise<void>;
}

export async function startRedis(): Promise<RedisServer> {
  const [port = 0] = await freePorts(1);
  const child: ChildProcess = spawn(
    PROGRAM,
    ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'],
    { argv0: 'redis-server', stdio: ['ignore', 'pipe', 'inherit'] },
  );
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`redis-server ended with ${String(code)}`)));
    child.stdout?.on('data', (chunk: Buffer) => {
      if (chunk.includes('Ready to accept connections')) {
        resolve();
      }
    });
  });
  return {
    port,
    async stop() {
      child.kill('SIGTERM');
      if (child.exitCode === null) {
        await once(child, 'exit');
      }
    },
  };
}

const bulk = (text: string): string => `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
const command = (...words: string[]): string => `*${words.length}\r\n${words.map(bulk).join('')}`;

/** As much of Redis' protocol (RESP2) as publish and subscribe need: messages are ASCII texts without line ends. */
export interface RedisClient {
  publish(channel: string, text: string): void;
  close(): void;
}

export async function connectRedis(
  port: number,
  subscribe?: { channel: string; onMessage(text: string): void },
): Promise<RedisClient> {
  const socket: Socket = createConnection({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  if (subscribe !== undefined) {
    const subscribed = Promise.withResolvers<void>();
    let rest = '';
    socket.on('data', (chunk) => {
      const lines = (rest + chunk.toString('latin1')).split('\r\n');
      // `*3 $7 message $N channel $N text`: seven lines a message.
      while (lines.length > 7) {
        const message = lines.splice(0, lines[2] === 'subscribe' ? 6 : 7);
        if (message[2] === 'message') {
          subscribe.onMessage(message[6] ?? '');
        } else {
          subscribed.resolve();
        }
      }
      if (lines.length === 7 && lines[2] === 'subscribe') {
        lines.splice(0, 6);
        subscribed.resolve();
      }
      rest = lines.join('\r\n');
    });
    socket.write(command('SUBSCRIBE', subscribe.channel));
    await subscribed.promise;
  } else {
    socket.resume();
  }
  return {
    publish: (channel, text) => void socket.write(command('PUBLISH', channel, text)),
    close: () => void socket.destroy(),
  };
}
