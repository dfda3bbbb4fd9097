import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import type { Test } from 'tap';
import { WebSocket } from 'ws';
import type { BusTls } from '../../../../src/bus/connect.ts';
import { BUS_SERVER_NAME, busName, cloudClientIdentity, enrolledIdentity } from '../../../../src/bus/identities.ts';
import { createNkey } from '../../../../src/bus/nkey.ts';
import { rawWebSocket, type RawClient, type RawOptions } from '../../../support/bus-websocket.ts';
import type { Enrolled } from '../../../support/enrolled.ts';
import { until, type LocalClouds, type LocalNode } from '../../../support/local-cloud.ts';

/** The three clouds, as the tests use them. */
export interface RevocationWorld {
  clouds(): LocalClouds;
  nodes: [LocalNode, LocalNode, LocalNode];
  enrol(id: string): Promise<Enrolled>;
  admitted(tls: BusTls, node: LocalNode): Promise<NatsConnection>;
  byWebSocket(seed: string | undefined, node: LocalNode, more?: Partial<RawOptions>): Promise<RawClient>;
}

/** Registers the tests that a satellite is confined to its own subjects. */
export function confinementTests(t: Test, world: RevocationWorld): void {
  t.test('its certificate is good for its own subjects, on every server, and for nothing else', (t) =>
    confinedByTls(t, world),
  );
  t.test(
    "by WebSocket a satellite is confined to its own subjects too, and nobody comes in there in another's name",
    async (t) => {
      const enrolled = await confinedByWebSocket(t, world);
      await strangersStayOut(t, world, enrolled);
    },
  );
}

/** A cloud's connection, which hears each `forged` message that gets through. */
async function listener(clouds: LocalClouds): Promise<{ cloud: NatsConnection; heard: string[] }> {
  const cloud = await connect({
    servers: `127.0.0.1:${clouds.ports.nats}`,
    tls: { ...clouds.files.cloudTls('n1'), handshakeFirst: true },
  });
  const heard: string[] = [];
  cloud.subscribe('>', { callback: (_, msg) => void (msg.string() === 'forged' && heard.push(msg.subject)) });
  await cloud.flush();
  return { cloud, heard };
}

/** Subjects that a satellite may not read. */
const foreignReads = (theirs: string): string[] => [
  `satellite.${theirs}.>`,
  `satellite.${theirs}.query`,
  '>',
  'heartbeat.*',
  'reply.>',
  'cloud.*',
  '$SYS.>',
  '$JS.API.>',
  '_INBOX.>',
];

/** Subjects that a satellite may not write. */
const foreignWrites = (mine: string, theirs: string): string[] => [
  `heartbeat.${theirs}`,
  `reply.n1.abcdefgh.${theirs}`,
  `satellite.${theirs}.query`,
  `satellite.${mine}.query`,
  'cloud.n1',
  '$JS.API.INFO',
  '$SYS.REQ.SERVER.PING',
];

async function confinedByTls(t: Test, world: RevocationWorld): Promise<void> {
  const { nodes, enrol, admitted } = world;
  const clouds = world.clouds();
  const { tls } = await enrol('mine');
  await enrol('theirs');
  const { cloud, heard } = await listener(clouds);
  for (const node of nodes) {
    const nc = await admitted(tls, node);
    const refused: string[] = [];
    const leaked: string[] = [];
    void (async () => {
      for await (const s of nc.status()) {
        if (s.type === 'error') {
          refused.push(s.error.message);
        }
      }
    })();
    const reads = foreignReads('theirs');
    for (const subject of reads) {
      nc.subscribe(subject, { callback: (error, msg) => (error === null ? void leaked.push(msg.subject) : undefined) });
    }
    const writes = foreignWrites('mine', 'theirs');
    for (const subject of writes) {
      nc.publish(subject, 'forged');
    }
    await nc.flush();
    await until(`${reads.length + writes.length} refusals by ${node.name}`, () =>
      refused.length >= reads.length + writes.length ? true : undefined,
    );
    cloud.publish('satellite.theirs.query', 'secret');
    await cloud.flush();
    await nc.flush();
    t.same(leaked, []);
    await nc.close();
  }
  t.same(heard, []);
  await cloud.close();
}

/** @returns the satellite */
async function confinedByWebSocket(t: Test, world: RevocationWorld): Promise<Enrolled> {
  const { nodes, enrol, byWebSocket } = world;
  const clouds = world.clouds();
  const mine = await enrol('mine.ws');
  await enrol('theirs.ws');
  const { cloud, heard } = await listener(clouds);
  for (const node of nodes) {
    const client = await until(`${node.name} to admit it`, () => byWebSocket(mine.seed, node).catch(() => undefined));
    const reads = foreignReads('theirs_ws');
    reads.forEach((subject, i) => client.send(`SUB ${subject} ${i + 10}\r\n`));
    const writes = foreignWrites('mine_ws', 'theirs_ws');
    for (const subject of writes) {
      client.send(`PUB ${subject} 6\r\nforged\r\n`);
    }
    client.send('SUB satellite.mine_ws.> 1\r\n');
    await client.ping();
    t.equal(
      client.lines.filter((l) => /^-ERR 'Permissions Violation/i.test(l)).length,
      reads.length + writes.length,
      node.name,
    );
    cloud.publish('satellite.theirs_ws.query', 'secret');
    cloud.publish('satellite.mine_ws.query', 'own');
    await cloud.flush();
    await until('its own message', () => (client.lines.includes('own') ? true : undefined));
    t.same(
      client.lines.filter((l) => l.startsWith('MSG')).map((l) => l.split(' ')[2]),
      ['1'],
    );
    client.close();
  }
  t.same(heard, []);
  await cloud.close();
  return mine;
}

/** Attempts to come in by WebSocket in another's name, or by another path. */
async function strangersStayOut(t: Test, world: RevocationWorld, { seed, tls }: Enrolled): Promise<void> {
  const { byWebSocket } = world;
  const clouds = world.clouds();
  const [node] = world.nodes;
  const names = [cloudClientIdentity('n1'), enrolledIdentity('mine.ws', 'x')].map(busName);
  const stranger = createNkey();
  const mine = { cert: readFileSync(tls.certFile), key: readFileSync(tls.keyFile), ca: clouds.files.authority.cert };
  const attempts: [string, string | undefined, Partial<RawOptions>][] = [
    ['without anything', undefined, {}],
    ['by an nkey that nobody knows', stranger.seed, {}],
    ["by another's nkey, not signed by it", stranger.seed, { fields: { nkey: createNkey().publicKey } }],
    ...[...names, BUS_SERVER_NAME].flatMap((user): [string, undefined, Partial<RawOptions>][] => [
      [`as ${user}, without password`, undefined, { fields: { user, pass: '' } }],
      [`as ${user}, with a certificate of its own`, undefined, { fields: { user }, options: mine }],
    ]),
  ];
  for (const [what, by, more] of attempts) {
    await t.rejects(byWebSocket(by, node, more), what);
  }
  await t.rejects(
    byWebSocket(seed, node, { options: { ca: clouds.files.authority.cert, origin: 'https://127.0.0.1' } }),
    { message: /403/ },
    'no page of a browser',
  );
  for (const path of ['/bus?x=1', '/bus/', '/leafnode', '/mqtt', '/']) {
    await t.rejects(
      rawWebSocket({
        url: `wss://${node.address}:${clouds.ports.console}${path}`,
        options: { ca: clouds.files.authority.cert },
        seed,
      }),
      { message: /404/ },
      path,
    );
  }
  const direct = `wss://${node.address}:${clouds.ports.natsWebsocket}/`;
  await t.rejects(
    rawWebSocket({
      url: direct,
      options: { ca: clouds.files.authority.cert, servername: BUS_SERVER_NAME } as RawOptions['options'],
      seed,
    }),
    'the listener on loopback wants a certificate',
  );
  const silent = new WebSocket(`wss://${node.address}:${clouds.ports.console}/bus`, {
    ca: clouds.files.authority.cert,
  });
  const opened = Date.now();
  await once(silent, 'close', { signal: AbortSignal.timeout(20_000) });
  t.comment(`who says nothing is cut after ${Date.now() - opened} ms`);
  const onTls = await connect({
    servers: `${node.address}:${clouds.ports.nats}`,
    tls: { ...clouds.files.satelliteTls('n2'), handshakeFirst: true },
    authenticator: () => ({ nkey: stranger.publicKey, sig: '' }),
    reconnect: false,
    timeout: 3_000,
  }).catch(() => undefined);
  t.equal(onTls, undefined, 'by an nkey on the TLS port');
}
