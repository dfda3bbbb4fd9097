import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import type { BusTls } from '../../src/bus/connect.ts';
import { createNkey, signByNkey } from '../../src/bus/nkey.ts';
import { ENROLMENT_PATHS } from '../../src/cloud/api-paths.ts';
import type { EnrolReply } from '../../src/cloud/satellites-api.ts';
import { createRequest } from '../../src/pki/authority.ts';
import { rawWebSocket, type RawClient, type RawOptions } from './bus-websocket.ts';
import { API_TOKEN, call, until, type LocalClouds, type LocalNode } from './local-cloud.ts';

/** What a satellite of another machine has when it has enrolled. */
export interface Enrolled {
  tls: BusTls;
  /** Of its nkey. */
  seed: string;
  /** Request and nkey, as sent. */
  body: { request: string; nkey: object };
  token: string;
  reply: EnrolReply;
}

export async function enrolmentToken(clouds: LocalClouds, node: LocalNode): Promise<string> {
  const answer = await call(clouds, node, ENROLMENT_PATHS.tokens, {
    method: 'POST',
    headers: { authorization: `Bearer ${API_TOKEN}` },
    body: {},
  });
  if (answer.status !== 201) {
    throw new Error(answer.body);
  }
  return (JSON.parse(answer.body) as { token: string }).token;
}

/** As `terrarium satellite enrol` does. */
export async function enrolAt(clouds: LocalClouds, id: string, node: LocalNode): Promise<Enrolled> {
  const { csr, key } = await createRequest('whatever');
  const nkey = createNkey();
  const body = { request: csr, nkey: { key: nkey.publicKey, signature: signByNkey(nkey, csr) } };
  const secret = await enrolmentToken(clouds, node);
  const answer = await call(clouds, node, ENROLMENT_PATHS.enrol, { body: { token: secret, id, ...body } });
  if (answer.status !== 200) {
    throw new Error(answer.body);
  }
  const reply = JSON.parse(answer.body) as EnrolReply;
  const dir = join(clouds.files.root, 'enrolled', `${id}-${Math.random()}`);
  mkdirSync(dir, { recursive: true });
  const tls = { caFile: join(dir, 'ca.crt'), certFile: join(dir, 'client.crt'), keyFile: join(dir, 'client.key') };
  writeFileSync(tls.caFile, reply.ca);
  writeFileSync(tls.certFile, reply.certificate);
  writeFileSync(tls.keyFile, key);
  return { tls, seed: nkey.seed, body, token: secret, reply };
}

/** One try at one server. */
export function connectOnceTo(clouds: LocalClouds, tls: BusTls, node: LocalNode): Promise<NatsConnection> {
  return connect({
    servers: `${node.address}:${clouds.ports.nats}`,
    tls: { ...tls, handshakeFirst: true },
    reconnect: false,
    timeout: 3_000,
    ignoreClusterUpdates: true,
  });
}

export const admittedBy = (clouds: LocalClouds, tls: BusTls, node: LocalNode): Promise<NatsConnection> =>
  until(`${node.name} to admit it`, () => connectOnceTo(clouds, tls, node).catch(() => undefined));

/** The other way: the console's port. @param seed of its nkey; without one it says nothing of itself */
export function webSocketTo(
  clouds: LocalClouds,
  seed: string | undefined,
  node: LocalNode,
  more: Partial<RawOptions> = {},
): Promise<RawClient> {
  return rawWebSocket({
    url: `wss://${node.address}:${clouds.ports.console}/bus`,
    options: { ca: clouds.files.authority.cert },
    ...(seed === undefined ? {} : { seed }),
    ...more,
  });
}

/** One connection, by either way. */
interface Line {
  ping(): Promise<void>;
  isClosed(): boolean;
  closed: Promise<unknown>;
  close(): Promise<void> | void;
}

async function lineByTls(clouds: LocalClouds, tls: BusTls, node: LocalNode): Promise<Line> {
  const nc = await connectOnceTo(clouds, tls, node);
  return { ping: () => nc.flush(), isClosed: () => nc.isClosed(), closed: nc.closed(), close: () => nc.close() };
}

export interface Trying {
  /** When it was connected last: `n1 by TLS` → milliseconds of the clock. */
  lastUp: Map<string, number>;
  tries(): number;
  stop(): Promise<void>;
}

/** Tries each of these servers, by both ways, without a pause until it is stopped; tells when it was connected last. */
export function persistentAt(clouds: LocalClouds, { tls, seed }: Enrolled, servers: LocalNode[]): Trying {
  const lastUp = new Map<string, number>();
  let stopped = false;
  let tries = 0;
  const all = servers.flatMap((node): { name: string; open(): Promise<Line> }[] => [
    { name: `${node.name} by TLS`, open: () => lineByTls(clouds, tls, node) },
    { name: `${node.name} by WebSocket`, open: () => webSocketTo(clouds, seed, node) },
  ]);
  const loops = all.map(async ({ name, open }) => {
    while (!stopped) {
      tries += 1;
      const nc = await open().catch(() => undefined);
      if (nc === undefined) {
        await sleep(20);
        continue;
      }
      while (!stopped && !nc.isClosed()) {
        // An answer of the server, and not the mere socket: it is connected.
        const closed = nc.closed.then(() => false);
        if (
          await Promise.race([
            nc.ping().then(
              () => true,
              () => false,
            ),
            closed,
          ])
        ) {
          lastUp.set(name, Date.now());
        }
        await sleep(20);
      }
      await nc.close();
    }
  });
  return {
    lastUp,
    tries: () => tries,
    async stop() {
      stopped = true;
      await Promise.all(loops);
    },
  };
}

/** Nobody has let it in for so long, whoever has tried without a pause: it is cut. */
const CUT_FOR_MS = 3_000;

/**
 * Waits until nobody lets it in any more, and still none does after some seconds.
 * @returns milliseconds from `from` until it was connected last, by way
 */
export async function cutFrom({ lastUp }: Trying, from: number): Promise<Map<string, number>> {
  await until(
    'it to be cut everywhere',
    () => ([...lastUp.values()].every((up) => Date.now() - up > CUT_FOR_MS) ? true : undefined),
    60_000,
  );
  return new Map([...lastUp].map(([name, up]) => [name, up - from]));
}
