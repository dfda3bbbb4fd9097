import { existsSync, readFileSync, statSync } from 'node:fs';
import type { IncomingMessage, RequestListener } from 'node:http';
import { createServer, type Server } from 'node:https';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { BUS_SERVER_NAME } from '../../bus/identities.ts';
import { Failure } from '../../errors.ts';

const LOOK_MS = 30_000;

/** The customer's own certificate where there is one, else the one that our CA made. */
function certificateFiles(tlsDir: string): { cert: string; key: string } {
  const own = { cert: join(tlsDir, 'console.crt'), key: join(tlsDir, 'console.key') };
  return existsSync(own.cert) && existsSync(own.key)
    ? own
    : { cert: join(tlsDir, 'server.crt'), key: join(tlsDir, 'server.key') };
}

function secureContext(tlsDir: string): SecureContextOptions {
  const files = certificateFiles(tlsDir);
  return { cert: readFileSync(files.cert), key: readFileSync(files.key) };
}

/** Takes a connection over that is to become a WebSocket. */
export type UpgradeListener = (req: IncomingMessage, socket: Duplex, head: Buffer) => void;

/**
 * Satellites trust the cluster's CA alone: who asks for the bus's name gets the certificate that it made, whatever the
 * customer's shows to users.
 */
function ownContext(tlsDir: string): SecureContextOptions {
  return { cert: readFileSync(join(tlsDir, 'server.crt')), key: readFileSync(join(tlsDir, 'server.key')) };
}

export interface HttpsServer {
  stop(): Promise<void>;
}

/**
 * Serves HTTPS on one address, or on all. `renewed` is called after the certificate files have changed and were taken.
 * @throws Failure `listen`
 */
export async function serveHttps(options: {
  address: string | undefined;
  port: number;
  tlsDir: string;
  listener: RequestListener;
  upgrade: UpgradeListener;
  renewed(): void;
  log(line: string): void;
}): Promise<HttpsServer> {
  const { address, port, tlsDir, log } = options;
  const server: Server = createServer(
    {
      ...secureContext(tlsDir),
      minVersion: 'TLSv1.2',
      headersTimeout: 10_000,
      requestTimeout: 30_000,
      keepAliveTimeout: 65_000,
      maxHeaderSize: 32 * 1024,
    },
    options.listener,
  );
  server.addContext(BUS_SERVER_NAME, createSecureContext(ownContext(tlsDir)));
  server.on('tlsClientError', () => undefined);
  server.on('upgrade', options.upgrade);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new Failure('listen', `The console cannot listen on port ${port}: ${cause.message}.`, { cause })),
    );
    server.listen({ port, ...(address === undefined ? {} : { host: address }) }, () => resolve());
  });
  const stamp = (): string =>
    [...Object.values(certificateFiles(tlsDir)), join(tlsDir, 'server.crt')]
      .map((f) => `${f}:${statSync(f).mtimeMs}`)
      .join();
  let last = stamp();
  const timer = setInterval(() => {
    try {
      const now = stamp();
      if (now === last) {
        return;
      }
      server.setSecureContext(secureContext(tlsDir));
      server.addContext(BUS_SERVER_NAME, createSecureContext(ownContext(tlsDir)));
      last = now;
      log('https: took the renewed certificate');
      options.renewed();
    } catch (error) {
      // Half-written files: the next look takes them.
      log(`https: the renewed certificate cannot be used: ${(error as Error).message}`);
    }
  }, LOOK_MS);
  return {
    async stop() {
      clearInterval(timer);
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeIdleConnections();
      setTimeout(() => server.closeAllConnections(), 2_000).unref();
      await closed;
    },
  };
}
