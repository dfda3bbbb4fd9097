import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NatsConnection } from '@nats-io/transport-node';
import { CONNECT_MS, connectOnce, type BusTls } from '../bus/connect.ts';
import { connectByWebSocket } from '../bus/websocket.ts';
import { Failure } from '../errors.ts';
import { cloudAddresses } from './clouds.ts';
import { parseAddress } from './enrol/client.ts';
import { readNkey } from './enrol/nkey.ts';
import { readEnrolment, tlsFolder } from './enrol/record.ts';
import type { Way } from './link.ts';

/** By what the enrolment says, read each time: it may have been done anew. */
export function enrolledWays(env: NodeJS.ProcessEnv, data: string): Way[] {
  const consoles = readNkey(tlsFolder(data)) === undefined ? [] : (readEnrolment(data)?.consoles ?? []);
  return [
    ...cloudAddresses(env).map((address): Way => ({ kind: 'tls', address })),
    ...consoles.map((address): Way => ({ kind: 'websocket', address })),
  ];
}

/** Files of the satellite's identity in a folder. */
export const busTls = (dir: string): BusTls => ({
  caFile: join(dir, 'ca.crt'),
  certFile: join(dir, 'client.crt'),
  keyFile: join(dir, 'client.key'),
});

export interface DialOptions {
  /** Folder of keys and certificate. */
  dir: string;
  /** Milliseconds for the try; default: as long as for one at any server. */
  patienceMs?: number | undefined;
  /** Shown in the server's list of connections. */
  name: string;
  env: NodeJS.ProcessEnv;
}

/** One try. Keys are read each time: a renewed enrolment is taken by itself. */
export function dialWay(way: Way, { dir, patienceMs = CONNECT_MS, name, env }: DialOptions): Promise<NatsConnection> {
  const tls = busTls(dir);
  if (way.kind === 'tls') {
    return connectOnce(way.address, tls, name, patienceMs);
  }
  const nkey = readNkey(dir);
  if (nkey === undefined) {
    throw new Failure('no-nkey', 'This satellite has no key for the way by WebSocket.', {
      remedy: 'Enrol it anew, with --new-key.',
    });
  }
  // Written by the enrolment, so it has a port.
  const { host, port } = parseAddress(way.address, 0);
  return connectByWebSocket({
    host,
    port,
    ca: readFileSync(tls.caFile, 'utf8'),
    seed: Buffer.from(nkey.seed, 'latin1'),
    name,
    timeout: patienceMs,
    env,
  });
}
