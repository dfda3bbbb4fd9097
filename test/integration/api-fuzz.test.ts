import { randomBytes, scryptSync } from 'node:crypto';
import { join } from 'node:path';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import type { Role } from '../../src/api/access.ts';
import { connectBus } from '../../src/bus/connect.ts';
import { encode } from '../../src/bus/frames.ts';
import { subjects } from '../../src/bus/subjects.ts';
import { scopesOf } from '../../src/cloud/auth/access.ts';
import { loadRoutes, type Route } from '../../src/cloud/http/route.ts';
import { heartbeat } from '../../src/satellite/heartbeat.ts';
import { openReplica } from '../../src/store/open.ts';
import { localClouds, type LocalClouds } from '../support/local-cloud.ts';
import { fuzzClient, type Actor, type FuzzClient, type Got, type Sent } from './support/api-fuzz/client.ts';
import { apply, hintOf } from './support/api-fuzz/hints.ts';
import { build, inputs, type Description } from './support/api-fuzz/inputs.ts';
import { wrong } from './support/api-fuzz/judge.ts';
import { spoil } from './support/api-fuzz/spoil.ts';
import { fuzzWorld, type FuzzWorld } from './support/api-fuzz/world.ts';

/**
 * Every route with a session of each role, by inputs from its own description: valid ones, and valid ones that were
 * spoilt.
 * TERRARIUM_FUZZ: inputs of each kind for each route and role (default 4; 500 for a release). TERRARIUM_SEED repeats a
 * run;
 * TERRARIUM_FUZZ_ONLY is a regular expression for `METHOD path`.
 */
const RUNS = Number(process.env['TERRARIUM_FUZZ'] ?? 4);
const SEED = Number(process.env['TERRARIUM_SEED'] ?? 20261121);
const AT_ONCE = 8;
/** One request of a role at a time: what they change is used by its others. */
const CHANGES_SESSIONS = new Set(['/api/v1/password', '/api/v1/logout', '/api/v1/login']);
const ROLES: Role[] = ['viewer', 'operator', 'admin'];

const node = { name: 'n1', address: '127.0.0.1' };
const FIRST_PASSWORD = 'the password of a test';
let clouds: LocalClouds;
let client: FuzzClient;
let description: Description;
let world: FuzzWorld;

/** Puts back what the next request needs: a session after a logout, room for tokens. */
async function restore(route: Route, actor: Actor, got: Got): Promise<void> {
  if (route.path === '/api/v1/logout' && got.status === 204) {
    actor.token = await client.login(actor.name, actor.password);
  }
  if (route.path === '/api/v1/tokens' && got.status === 201) {
    await client.send({
      method: 'DELETE',
      path: `/api/v1/tokens/${(JSON.parse(got.body) as { id: string }).id}`,
      headers: { authorization: `Bearer ${actor.token}` },
    });
  }
}

async function eachOf<T>(items: T[], atOnce: number, work: (item: T, n: number) => Promise<void>): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (let n = next++; n < items.length; n = next++) {
        await work(items[n] as T, n);
      }
    }),
  );
}

const actors = new Map<Role, Actor>();

/** Sends one heartbeat of the node's satellite; nothing else of it is there. */
async function hearSatellite(): Promise<void> {
  const satellite = await connectBus({
    servers: [`${node.address}:${clouds.ports.nats}`],
    tls: clouds.files.satelliteTls(node.name),
    name: 'a satellite',
  });
  satellite.publish(
    subjects.heartbeat(node.name),
    encode(
      heartbeat({
        id: node.name,
        node: node.name,
        tables: [],
        directPort: () => undefined,
        certificateEnds: () => undefined,
      }),
    ),
  );
  await satellite.flush();
  await satellite.close();
}

t.before(async () => {
  clouds = await localClouds([node], { credentials: false });
  client = fuzzClient(node.address, clouds.ports.console, clouds.files.authority.cert);
  // Users with a cheap hash, so that thousands of logins take no hours; nothing else of them is special.
  const salt = randomBytes(16);
  const hash = scryptSync(FIRST_PASSWORD, salt, 32, { N: 1024 });
  const passwordHash = `scrypt$10$8$1$${salt.toString('base64')}$${hash.toString('base64')}`;
  const replica = await openReplica({
    self: node.name,
    dir: join(clouds.files.data(node.name), 'cloud/state/state'),
    log: () => undefined,
  });
  const create = (name: string, role: Role): Promise<unknown> =>
    replica.propose({
      kind: 'user.create',
      actor: 'test',
      args: { name, role, passwordHash, mustChangePassword: false },
    });
  for (const role of ROLES) {
    await create(`fuzz-${role}`, role);
  }
  await create('fuzz-helper', 'admin');
  const spare = Array.from({ length: 2 * RUNS + 20 }, (_, n) => `spare-${n}`);
  await Promise.all(spare.map((name) => create(name, 'viewer')));
  await replica.stop();
  await clouds.start(node);
  for (const role of ROLES) {
    actors.set(role, {
      role,
      name: `fuzz-${role}`,
      password: FIRST_PASSWORD,
      token: await client.login(`fuzz-${role}`, FIRST_PASSWORD),
    });
  }
  const helper: Actor = {
    role: 'admin',
    name: 'fuzz-helper',
    password: FIRST_PASSWORD,
    token: await client.login('fuzz-helper', FIRST_PASSWORD),
  };
  world = fuzzWorld(client, helper, spare);
  await hearSatellite();
  const document = await client.send({ method: 'GET', path: '/api/v1/openapi.json', headers: {} });
  description = (JSON.parse(document.body) as { paths: Description }).paths;
});
t.teardown(() => {
  client.close();
  return clouds.stop();
});

/** @param turn other ways of spoiling than at another turn: few inputs do not take all of them */
async function fuzz(t: Test, route: Route, actor: Actor, turn: number): Promise<void> {
  const name = `${route.method} ${route.path} as ${actor.role}`;
  const faults: string[] = [];
  const statuses = new Map<number, number>();
  let slowest = 0;
  let good = 0;
  const judge = (what: string, sent: Sent, got: Got | Error, refused: boolean): void => {
    const fault =
      got instanceof Error
        ? got.message
        : (wrong(route, got) ?? (refused && got.status < 400 ? 'it was carried out' : undefined));
    if (fault !== undefined) {
      faults.push(
        `${what}: ${fault}: ` +
          `${JSON.stringify({ ...sent, headers: { ...sent.headers, authorization: '…' } }).slice(0, 600)} → ` +
          `${got instanceof Error ? '' : got.body.slice(0, 300)}`,
      );
    }
    if (got instanceof Error) {
      return;
    }
    statuses.set(got.status, (statuses.get(got.status) ?? 0) + 1);
    slowest = Math.max(slowest, got.ms);
  };
  const generated = fc.sample(inputs(description, route), { numRuns: RUNS * 2, seed: SEED });
  const hint = hintOf(description, route);
  const atOnce = CHANGES_SESSIONS.has(route.path) ? 1 : AT_ONCE;
  await eachOf(generated.slice(0, RUNS), atOnce, async (given, n) => {
    const { input, after } = await apply(world, n % 4 === 3 ? undefined : hint, actor, given);
    const sent = build(route, input, actor);
    const got = await client.send(sent).catch((error: Error) => error);
    judge('valid', sent, got, false);
    if (got instanceof Error) {
      return;
    }
    if (got.status < 300) {
      good += 1;
    }
    await after?.(got, sent);
    await restore(route, actor, got);
  });
  await eachOf(generated.slice(RUNS), atOnce, async (given, n) => {
    const { input, after } = await apply(world, n % 2 === 0 ? undefined : hint, actor, given);
    const { sent, refused } = spoil(route, input, actor, n + RUNS * turn);
    const got = await client.send(sent).catch((error: Error) => error);
    judge('spoilt', sent, got, refused);
    if (got instanceof Error) {
      return;
    }
    await after?.(got, sent);
    await restore(route, actor, got);
  });
  t.same(faults.slice(0, 5), [], `${name}, seed ${SEED}`);
  const may = route.scope === 'open' || route.scope === 'self' || scopesOf(actor.role).includes(route.scope);
  const least = may ? RUNS / 3 : 0;
  t.ok(
    good >= least,
    `${name}: ${good} of ${RUNS} valid ones carried out; ${[...statuses]
      .sort()
      .map(([s, n]) => `${s}: ${n}`)
      .join(', ')}; slowest ${slowest} ms`,
  );
}

t.test(
  `every route, ${RUNS} valid and ${RUNS} spoilt inputs for each role, seed ${SEED}`,
  { timeout: 0 },
  async (t) => {
    const only = new RegExp(process.env['TERRARIUM_FUZZ_ONLY'] ?? '');
    for (const [index, route] of (await loadRoutes()).entries()) {
      if (!only.test(`${route.method} ${route.path}`)) {
        continue;
      }
      await Promise.all(ROLES.map((role, n) => fuzz(t, route, actors.get(role) as Actor, index + n)));
    }
    const ready = await client.send({ method: 'GET', path: '/readyz', headers: {} });
    t.equal(ready.status, 200, 'and it is ready as before');
    t.notOk(
      clouds.output.some((line) => /http: [0-9a-f]{16} /.test(line)),
      'nothing unexpected in its log',
    );
  },
);
