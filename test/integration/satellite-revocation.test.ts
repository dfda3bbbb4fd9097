import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { NatsConnection } from '@nats-io/transport-node';
import t, { type Test } from 'tap';
import type { BusTls } from '../../src/bus/connect.ts';
import { HEARTBEAT_MS, encode } from '../../src/bus/frames.ts';
import { createNkey, signByNkey } from '../../src/bus/nkey.ts';
import { ENROLMENT_PATHS } from '../../src/cloud/api-paths.ts';
import type { EnrolReply } from '../../src/cloud/satellites-api.ts';
import { createRequest } from '../../src/pki/authority.ts';
import type { RawClient, RawOptions } from '../support/bus-websocket.ts';
import {
  admittedBy,
  connectOnceTo,
  cutFrom,
  enrolAt,
  enrolmentToken,
  persistentAt,
  webSocketTo,
  type Enrolled,
  type Trying,
} from '../support/enrolled.ts';
import {
  API_TOKEN,
  call,
  localClouds,
  until,
  type Answer,
  type LocalClouds,
  type LocalNode,
} from '../support/local-cloud.ts';
import { confinementTests } from './support/satellite-revocation/confinement.ts';

/** Three clouds with their nats-servers, and satellites of other machines with clients of their own. */
const nodes: [LocalNode, LocalNode, LocalNode] = [
  { name: 'n1', address: '127.0.0.1' },
  { name: 'n2', address: '127.0.0.2' },
  { name: 'n3', address: '127.0.0.3' },
];
const auth = { authorization: `Bearer ${API_TOKEN}` };
let clouds: LocalClouds;
const running = new Map<string, ChildProcess>();

t.before(async () => {
  clouds = await localClouds(nodes);
  await Promise.all(nodes.map(async (n) => running.set(n.name, await clouds.start(n))));
});
t.teardown(() => clouds.stop());
t.afterEach((t) => {
  if (!t.passing()) {
    t.comment(clouds.output.join('').split('\n').slice(-150).join('\n'));
  }
});

const ask = (node: LocalNode, method: string, path: string, body?: unknown): Promise<Answer> =>
  call(clouds, node, path, { method, headers: auth, ...(body === undefined ? {} : { body }) });

const token = (node = nodes[0]): Promise<string> => enrolmentToken(clouds, node);
const enrol = (id: string, node = nodes[0]): Promise<Enrolled> => enrolAt(clouds, id, node);
const byWebSocket = (seed: string | undefined, node: LocalNode, more?: Partial<RawOptions>): Promise<RawClient> =>
  webSocketTo(clouds, seed, node, more);
/** One try at one server. */
const connectOnce = (tls: BusTls, node: LocalNode): Promise<NatsConnection> => connectOnceTo(clouds, tls, node);
const admitted = (tls: BusTls, node: LocalNode): Promise<NatsConnection> => admittedBy(clouds, tls, node);
const persistent = (satellite: Enrolled, servers: LocalNode[]): Trying => persistentAt(clouds, satellite, servers);

const beat = (nc: NatsConnection, id: string): void =>
  nc.publish(
    `heartbeat.${id}`,
    encode({
      id,
      node: id,
      version: '0',
      addresses: [],
      tables: [],
      load: [0, 0, 0],
      startedAt: new Date().toISOString(),
    }),
  );

/**
 * Waits until it is cut. A server that is starting, or whose nats-server is, admits until it has heard of the
 * revocation; how soon that is, is measured by `./build.sh bench revocation`.
 */
async function cut(t: Test, trying: Trying, from: number): Promise<void> {
  t.comment(
    [...(await cutFrom(trying, from))].map(([name, ms]) => `${name}: connected last ${ms} ms after`).join(', '),
  );
}

t.test('a satellite enrols with a token of one use; the same request gives the same answer', async (t) => {
  const first = await enrol('far.example');
  t.same(
    first.reply.clouds,
    nodes.map((n) => `${n.address}:${clouds.ports.nats}`),
  );
  const again = await call(clouds, nodes[1], ENROLMENT_PATHS.enrol, {
    body: { ...first.body, id: 'far.example', token: first.token },
  });
  t.same(JSON.parse(again.body), first.reply, 'by another instance too');
  const other = await createRequest('x');
  const spent = await call(clouds, nodes[0], ENROLMENT_PATHS.enrol, {
    body: { token: first.token, id: 'other', request: other.csr },
  });
  t.match(spent, { status: 403, body: /used up/ });
  const fresh = await token();
  t.match(
    await call(clouds, nodes[0], ENROLMENT_PATHS.enrol, {
      body: { token: fresh, id: 'far.example', request: other.csr },
    }),
    { status: 409, body: /There is another satellite far\.example already/ },
  );
  t.match(
    await call(clouds, nodes[0], ENROLMENT_PATHS.enrol, { body: { token: fresh, id: 'n2', request: other.csr } }),
    { status: 409, body: /n2 is a node of the cluster/ },
  );
  t.match(
    await call(clouds, nodes[0], ENROLMENT_PATHS.enrol, { body: { token: fresh, id: 'other', request: 'nothing' } }),
    { status: 400 },
  );
  t.match(
    await call(clouds, nodes[0], ENROLMENT_PATHS.enrol, {
      body: { token: `${fresh}x`, id: 'other', request: other.csr },
    }),
    { status: 403, body: /does not exist/ },
  );
  const twice = await Promise.all(
    [0, 1, 2].map((n) =>
      call(clouds, nodes[n] ?? nodes[0], ENROLMENT_PATHS.enrol, {
        body: { token: fresh, id: 'twice', request: other.csr },
      }),
    ),
  );
  t.same(
    twice.map((a) => a.status),
    [200, 200, 200],
    'three at once by three instances',
  );
  t.equal(new Set(twice.map((a) => (JSON.parse(a.body) as EnrolReply).certificate)).size, 1, 'get one certificate');
  t.notMatch(
    (await ask(nodes[0], 'GET', '/api/v1/audit?limit=500')).body,
    fresh.slice(-20),
    'no token in the audit log',
  );
});

confinementTests(t, { clouds: () => clouds, nodes, enrol, admitted, byWebSocket });

t.test('a revoked satellite is cut on three servers, and stays cut; nobody else is disturbed', async (t) => {
  const gone = await enrol('gone');
  const stays = await enrol('stays');
  const stayer = await admitted(stays.tls, nodes[1]);
  const beating = setInterval(() => beat(stayer, 'stays'), HEARTBEAT_MS / 5);
  t.teardown(() => clearInterval(beating));
  let disturbed = false;
  void stayer.closed().then(() => (disturbed = true));
  const client = await admitted(gone.tls, nodes[0]);
  beat(client, 'gone');
  await until('its heartbeat to be heard', async () =>
    (await ask(nodes[2], 'GET', '/api/v1/satellites/gone')).body.includes('"healthy"') ? true : undefined,
  );
  await client.close();
  const trying = persistent(gone, nodes);
  await until('a connection to each server by both ways', () => (trying.lastUp.size === 6 ? true : undefined));
  const at = Date.now();
  t.equal((await ask(nodes[1], 'POST', '/api/v1/satellites/gone/revoke')).status, 204);
  t.comment(`acknowledged after ${Date.now() - at} ms`);
  await cut(t, trying, at);
  const before = trying.tries();
  await until('it to go on trying', () => (trying.tries() > before ? true : undefined));
  for (const node of nodes) {
    t.match(JSON.parse((await ask(node, 'GET', '/api/v1/satellites/gone')).body), { state: 'revoked' });
  }
  await trying.stop();
  t.notOk(disturbed);
  const again = async (id: string): Promise<Answer> =>
    call(clouds, nodes[0], ENROLMENT_PATHS.enrol, { body: { ...gone.body, id, token: await token() } });
  t.match(await again('gone'), { status: 403, body: /revoked for good/ });
  t.match(await again('somebody.else'), { status: 403, body: /revoked for good/ }, 'nor by another name');
  t.equal((await ask(nodes[2], 'DELETE', '/api/v1/satellites/gone')).status, 204);
  t.match(await again('gone'), { status: 403, body: /revoked for good/ }, 'nor when it has been forgotten');
  const { request: fresh } = (await enrol('fresh')).body;
  const forged = { key: createNkey().publicKey, signature: signByNkey(createNkey(), fresh) };
  t.match(
    await call(clouds, nodes[0], ENROLMENT_PATHS.enrol, {
      body: { request: (await createRequest('y')).csr, nkey: forged, id: 'forged', token: await token() },
    }),
    { status: 400, body: /has not signed/ },
  );
  const renewed = await enrol('gone');
  await (await admitted(renewed.tls, nodes[2])).close();
  for (const node of nodes) {
    await t.rejects(connectOnce(gone.tls, node), 'with a new key it may come back; the old one stays void');
  }
  clearInterval(beating);
  await stayer.close();
});

t.test('also while one server restarts, and on one that was down', async (t) => {
  const gone = await enrol('gone2');
  for (const node of nodes) {
    await (await admitted(gone.tls, node)).close();
  }
  const [, second, third] = nodes;
  const child = running.get(third.name);
  child?.kill('SIGTERM');
  await until('the third to stop', () => (child?.exitCode !== null ? true : undefined), 40_000);
  const trying = persistent(gone, nodes);
  await until('connections to the others by both ways', () => (trying.lastUp.size === 4 ? true : undefined));
  const starting = clouds.start(third).then((started) => running.set(third.name, started));
  const at = Date.now();
  const answer = await ask(second, 'POST', '/api/v1/satellites/gone2/revoke');
  t.equal(answer.status, 204, answer.body);
  await starting;
  await cut(t, trying, at);
  await trying.stop();
  await (await admitted((await enrol('after')).tls, third)).close();
  for (const node of nodes) {
    await t.rejects(connectOnce(gone.tls, node));
    await t.rejects(byWebSocket(gone.seed, node));
  }
});

/** nats-server of a cloud's process. */
function natsOf(cloud: ChildProcess | undefined): number {
  const children = readFileSync(`/proc/${cloud?.pid}/task/${cloud?.pid}/children`, 'utf8')
    .trim()
    .split(' ')
    .map(Number);
  const found = children.find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('nats-server'));
  if (found === undefined) {
    throw new Error('this cloud has no nats-server');
  }
  return found;
}

t.test('also while one server restarts and another has been down since before', { timeout: 240_000 }, async (t) => {
  const gone = await enrol('gone3');
  for (const node of nodes) {
    await (await admitted(gone.tls, node)).close();
  }
  const [first, second, third] = nodes;
  const child = running.get(third.name);
  child?.kill('SIGTERM');
  await until('the third to stop', () => (child?.exitCode !== null ? true : undefined), 40_000);
  const trying = persistent(gone, nodes);
  await until('connections to the others by both ways', () => (trying.lastUp.size === 4 ? true : undefined));
  process.kill(natsOf(running.get(second.name)), 'SIGKILL');
  const asked = Date.now();
  const acknowledged = await until(
    'the revocation to be acknowledged',
    async () => ((await ask(first, 'POST', '/api/v1/satellites/gone3/revoke')).status === 204 ? Date.now() : undefined),
    90_000,
  );
  t.comment(`acknowledged after ${acknowledged - asked} ms`);
  await cut(t, trying, acknowledged);
  running.set(third.name, await clouds.start(third));
  await (await admitted((await enrol('after3')).tls, third)).close();
  t.same(
    [...trying.lastUp.keys()].filter((name) => name.startsWith(third.name)),
    [],
    'not for a moment on the one that was down',
  );
  await trying.stop();
});

t.test("a node's own satellite can be revoked, and admitted again", async (t) => {
  const tls = clouds.files.satelliteTls('n2');
  await (await admitted(tls, nodes[0])).close();
  t.equal((await ask(nodes[0], 'POST', '/api/v1/satellites/n2/revoke')).status, 204);
  const refused = (node: LocalNode): Promise<boolean> =>
    connectOnce(tls, node).then(
      (nc) => nc.close().then(() => false),
      () => true,
    );
  for (const node of nodes) {
    await until(`${node.name} to refuse it`, async () => ((await refused(node)) ? true : undefined));
  }
  t.equal((await ask(nodes[0], 'DELETE', '/api/v1/satellites/n2')).status, 204);
  for (const node of nodes) {
    await (await admitted(tls, node)).close();
  }
});

t.test(
  'a server without quorum cuts everybody off after 10 s, and admits them when it has one again',
  { timeout: 300_000 },
  async (t) => {
    const [first, second, third] = nodes;
    const { tls } = await enrol('lonely');
    const nc = await admitted(tls, first);
    let closedAt: number | undefined;
    void nc.closed().then(() => (closedAt = Date.now()));
    const at = Date.now();
    await Promise.all(
      [second, third].map(async (node) => {
        const child = running.get(node.name);
        child?.kill('SIGTERM');
        await until(`${node.name} to stop`, () => (child?.exitCode !== null ? true : undefined), 45_000);
      }),
    );
    await until('the connection to be cut', () => closedAt, 25_000);
    t.comment(`cut ${(closedAt ?? 0) - at} ms after the others were told to stop`);
    await t.rejects(connectOnce(tls, first));
    await Promise.all([second, third].map(async (node) => running.set(node.name, await clouds.start(node))));
    await (await until('to be admitted again', () => connectOnce(tls, first).catch(() => undefined), 30_000)).close();
  },
);
