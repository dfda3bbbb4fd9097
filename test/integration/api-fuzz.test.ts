import { createHash, randomBytes, scryptSync } from 'node:crypto';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { connectBus } from '../../src/bus/connect.ts';
import { encode } from '../../src/bus/frames.ts';
import { subjects } from '../../src/bus/subjects.ts';
import type { Role } from '../../src/cloud/api.ts';
import { scopesOf } from '../../src/cloud/auth/access.ts';
import { splitPosition } from '../../src/cloud/auth/sessions.ts';
import { isMedia, loadRoutes, type Route } from '../../src/cloud/http/route.ts';
import { createRequest } from '../../src/pki/authority.ts';
import { heartbeat } from '../../src/satellite/heartbeat.ts';
import { openReplica } from '../../src/store/open.ts';
import { fromSchema, type JsonSchema } from '../support/from-schema.ts';
import { localClouds, type LocalClouds } from '../support/local-cloud.ts';

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
/** What a request may take: waiting for a position is 2 s, and hashes of passwords queue. */
const HANG_MS = 25_000;
/** One request of a role at a time: what they change is used by its others. */
const CHANGES_SESSIONS = new Set(['/api/v1/password', '/api/v1/logout', '/api/v1/login']);
const ROLES: Role[] = ['viewer', 'operator', 'admin'];

const node = { name: 'n1', address: '127.0.0.1' };
const FIRST_PASSWORD = 'the password of a test';
let clouds: LocalClouds;
let paths: Record<
  string,
  Record<
    string,
    {
      parameters?: { name: string; in: string; required: boolean; schema: JsonSchema }[];
      requestBody?: { content: { 'application/json': { schema: JsonSchema } } };
    }
  >
>;

interface Actor {
  role: Role;
  name: string;
  password: string;
  token: string;
}

interface Sent {
  method: string;
  /** With its query. */
  path: string;
  headers: Record<string, string>;
  body?: string;
}

interface Got {
  status: number;
  type: string;
  body: string;
  ms: number;
}

/** As many addresses as wanted, so that one does not use up the logins of all. */
const address = (): string =>
  `127.${1 + ((randomBytes(1)[0] ?? 0) % 250)}.${randomBytes(1)[0]}.${1 + ((randomBytes(1)[0] ?? 0) % 250)}`;

/** Connections are kept: a handshake for each request would take most of the time. */
const agent = new Agent({ keepAlive: true, maxSockets: 64 });

function send(sent: Sent): Promise<Got> {
  const began = Date.now();
  return new Promise((resolve, reject) => {
    const logsIn = /^\/api\/v1\/(login|password)/.test(sent.path);
    const connection = logsIn ? { agent: false as const, localAddress: address() } : { agent };
    const req = request(
      {
        host: node.address,
        port: clouds.ports.console,
        path: sent.path,
        method: sent.method,
        ca: clouds.files.authority.cert,
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
}

async function login(name: string, password: string): Promise<string> {
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
}

/** An input that a route's description calls valid. */
interface Input {
  params: Record<string, unknown>;
  query: Record<string, unknown>;
  body: unknown;
}

function inputs(route: Route): fc.Arbitrary<Input> {
  const about = paths[route.path]?.[route.method.toLowerCase()];
  if (about === undefined) {
    throw new Error(`${route.method} ${route.path} is not described`);
  }
  const of = (where: string): fc.Arbitrary<Record<string, unknown>> => {
    const given = (about.parameters ?? []).filter((p) => p.in === where);
    return fc.record(Object.fromEntries(given.map((p) => [p.name, fromSchema(p.schema)])), {
      requiredKeys: given.filter((p) => p.required).map((p) => p.name),
    }) as fc.Arbitrary<Record<string, unknown>>;
  };
  const schema = about.requestBody?.content['application/json'].schema;
  return fc.record({
    params: of('path'),
    query: of('query'),
    body: schema === undefined ? fc.constant(undefined) : fromSchema(schema),
  });
}

function build(route: Route, { params, query, body }: Input, actor: Actor): Sent {
  const path = route.path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(String(params[name]).toWellFormed()),
  );
  const search = new URLSearchParams(
    Object.entries(query).map(([k, v]): [string, string] => [k, String(v).toWellFormed()]),
  ).toString();
  const text = body === undefined ? undefined : JSON.stringify(body);
  return {
    method: route.method,
    path: search === '' ? path : `${path}?${search}`,
    headers: {
      authorization: `Bearer ${actor.token}`,
      ...(text === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(text === undefined ? {} : { body: text }),
  };
}

/** What is to be done, or noted, once it has been sent. */
type After = (got: Got, sent: Sent) => Promise<void> | void;
type Hint = (
  actor: Actor,
  input: Input,
) => Promise<{
  params?: Record<string, unknown>;
  query?: Record<string, unknown>;
  body?: Record<string, unknown>;
  after?: After;
}>;

/** Users to be changed: the first of them; and to be deleted: each of the others once. */
const spare: string[] = [];
let deleted = 0;
const someUser = (): string => spare[0] ?? '';
const nextToDelete = (): string => spare[(deleted += 1)] ?? '';
let admin: Actor;
let counter = 0;
const asAdmin = (method: string, path: string, body?: unknown): Promise<Got> =>
  send({
    method,
    path: `/api/v1/${path}`,
    headers: { authorization: `Bearer ${admin.token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
const position = async (): Promise<number> =>
  (JSON.parse((await asAdmin('GET', 'audit?limit=1')).body) as { items: { seq: number }[] }).items[0]?.seq ?? 0;

async function saved(actor: Actor): Promise<{ params: { id: string }; query: Record<string, unknown> }> {
  const id = `of-${actor.name}-${(counter += 1)}`;
  const got = await send({
    method: 'PUT',
    path: `/api/v1/saved-queries/${id}`,
    headers: {
      authorization: `Bearer ${(actor.role === 'viewer' ? admin : actor).token}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify({ name: 'a', sql: 'select 1' }),
  });
  if (got.status !== 200) {
    throw new Error(`preparing: ${got.status} ${got.body}`);
  }
  return { params: { id }, query: {} };
}
async function scheduled(
  actor: Actor,
): Promise<{ params: { id: string }; query: Record<string, unknown>; after: () => Promise<void> }> {
  const id = `of-${actor.name}-${(counter += 1)}`;
  const path = `/api/v1/schedules/${id}`;
  const headers = {
    authorization: `Bearer ${(actor.role === 'viewer' ? admin : actor).token}`,
    'content-type': 'application/json',
  };
  const got = await send({
    method: 'PUT',
    path,
    headers,
    body: JSON.stringify({ name: 'a', sql: 'select 1', everySeconds: 3600, paused: true }),
  });
  if (got.status !== 200) {
    throw new Error(`preparing: ${got.status} ${got.body}`);
  }
  // There may not be many.
  return { params: { id }, query: {}, after: async () => void (await send({ method: 'DELETE', path, headers })) };
}
/** One with a run. */
async function hasRun(actor: Actor): Promise<{ params: { id: string; number: number }; after: () => Promise<void> }> {
  const { params, after } = await scheduled(actor);
  await send({
    method: 'POST',
    path: `/api/v1/schedules/${params.id}/runs`,
    headers: { authorization: `Bearer ${admin.token}` },
  });
  return { params: { ...params, number: 1 }, after };
}
async function ownToken(
  actor: Actor,
): Promise<{ params: { id: string }; query: Record<string, unknown>; after: () => Promise<void> }> {
  const headers = { authorization: `Bearer ${actor.token}`, 'content-type': 'application/json' };
  const got = await send({
    method: 'POST',
    path: '/api/v1/tokens',
    headers,
    body: JSON.stringify({ name: 'a', scopes: ['read'] }),
  });
  const { id } = JSON.parse(got.body) as { id: string };
  return {
    params: { id },
    query: {},
    after: async () => void (await send({ method: 'DELETE', path: `/api/v1/tokens/${id}`, headers })),
  };
}
/** No key of a list that somebody has made up is a cursor of its. */
const firstPage: Hint = async () => ({ query: { limit: 3, cursor: undefined } });
const enrolmentToken = async (): Promise<{ id: string; token: string }> =>
  JSON.parse((await asAdmin('POST', 'enrolment-tokens', {})).body) as { id: string; token: string };
async function enrolled(): Promise<{ params: { id: string } }> {
  const id = `far-${(counter += 1)}`;
  const got = await asAdmin('POST', 'enrol', {
    token: (await enrolmentToken()).token,
    id,
    request: (await createRequest('a satellite')).csr,
  });
  if (got.status !== 200) {
    throw new Error(`preparing: ${got.status} ${got.body}`);
  }
  return { params: { id } };
}
const known: Hint = async () => ({ params: { name: someUser() } });

/** What makes a valid input also a meaningful one: names of things that are there. Used for three of four inputs. */
const HINTS: Record<string, Hint> = {
  'POST /api/v1/login': async (actor) => ({
    body: { user: actor.name, password: actor.password },
    after: async (got) => {
      if (got.status === 200) {
        await send({
          method: 'POST',
          path: '/api/v1/logout',
          headers: { authorization: `Bearer ${(JSON.parse(got.body) as { token: string }).token}` },
        });
      }
    },
  }),
  'POST /api/v1/password': async (actor) => ({
    body: { current: actor.password, password: `changed ${(counter += 1)} times` },
    // A spoilt one may be carried out with another password.
    after: (got, { body }) => {
      if (got.status !== 200) {
        return;
      }
      actor.password = (JSON.parse(body ?? '') as { password: string }).password;
      actor.token = (JSON.parse(got.body) as { token: string }).token;
    },
  }),
  'GET /api/v1/users/{name}': known,
  'GET /api/v1/satellites/{id}': async () => ({ params: { id: 'n1' } }),
  'PATCH /api/v1/users/{name}': async (_, { body }) => {
    const { password } = body as { password?: string };
    return {
      params: { name: someUser() },
      body:
        password === undefined
          ? { role: 'viewer', expect: undefined }
          : { role: undefined, disabled: undefined, expect: undefined },
    };
  },
  'DELETE /api/v1/users/{name}': async () => ({ params: { name: nextToDelete() }, query: { expect: undefined } }),
  'DELETE /api/v1/users/{name}/sessions': known,
  'GET /api/v1/tokens/{id}': ownToken,
  'DELETE /api/v1/tokens/{id}': async (actor) => ({ ...(await ownToken(actor)), query: { expect: undefined } }),
  'POST /api/v1/tokens': async (actor) => ({ body: { scopes: scopesOf(actor.role).slice(0, 1) } }),
  'DELETE /api/v1/sessions/{id}': async (actor) => {
    const id = createHash('sha256')
      .update(splitPosition(await login(actor.name, actor.password)).token)
      .digest('hex');
    return {
      params: { id },
      // Of 50 sessions of a user the oldest gives way, which would be the one that all use.
      after: async () => void (await asAdmin('DELETE', `sessions/${id}`)),
    };
  },
  'GET /api/v1/saved-queries/{id}': saved,
  'PUT /api/v1/saved-queries/{id}': async (actor) => ({
    params: { id: `put-${actor.name}-${(counter += 1)}` },
    body: { expect: undefined },
  }),
  'DELETE /api/v1/saved-queries/{id}': async (actor) => ({ ...(await saved(actor)), query: { expect: undefined } }),
  'GET /api/v1/schedules/{id}': scheduled,
  'PUT /api/v1/schedules/{id}': async (actor) => {
    const { params, after } = await scheduled(actor);
    return { params, after, body: { sql: 'select 1', query: undefined, everySeconds: 3600, expect: undefined } };
  },
  'PATCH /api/v1/schedules/{id}': async (actor) => ({ ...(await scheduled(actor)), body: { expect: undefined } }),
  'DELETE /api/v1/schedules/{id}': async (actor) => ({ ...(await scheduled(actor)), query: { expect: undefined } }),
  'POST /api/v1/schedules/{id}/runs': scheduled,
  'GET /api/v1/schedules/{id}/runs': scheduled,
  'GET /api/v1/schedules/{id}/runs/{number}': hasRun,
  'GET /api/v1/schedules/{id}/runs/{number}/lines': hasRun,
  'DELETE /api/v1/enrolment-tokens/{id}': async () => ({
    params: { id: (await enrolmentToken()).id },
    query: { expect: undefined },
  }),
  'POST /api/v1/enrol': async () => ({
    body: {
      token: (await enrolmentToken()).token,
      id: `far-${(counter += 1)}`,
      request: (await createRequest('a satellite')).csr,
      nkey: undefined,
    },
  }),
  'POST /api/v1/satellites/{id}/revoke': enrolled,
  'PATCH /api/v1/satellites/{id}': async (_, { body }) => ({
    params: { id: 'n1' },
    body: { expect: undefined, ...((body as { tags?: unknown }).tags === undefined ? { name: 'a name' } : {}) },
  }),
  'GET /api/v1/satellites/{id}/access': async () => ({ params: { id: 'n1' } }),
  'PUT /api/v1/satellites/{id}/access': async () => ({ params: { id: 'n1' }, body: { expect: undefined } }),
  'GET /api/v1/satellites/{id}/states': async () => ({ params: { id: 'n1' }, query: { limit: 3, cursor: undefined } }),
  'DELETE /api/v1/satellites/{id}': async () => ({ ...(await enrolled()), query: { expect: undefined } }),
  'GET /api/v1/watch': async (actor) => ({
    query: {
      topics: actor.role === 'admin' ? 'overview,users,audit' : 'overview,saved-queries',
      since: await position(),
    },
  }),
};

function hintOf(route: Route): Hint | undefined {
  const isList = (paths[route.path]?.[route.method.toLowerCase()]?.parameters ?? []).some((p) => p.name === 'cursor');
  return HINTS[`${route.method} ${route.path}`] ?? (isList ? firstPage : undefined);
}

const defined = (values: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(values).filter(([, v]) => v !== undefined));

async function apply(
  hint: Hint | undefined,
  actor: Actor,
  input: Input,
): Promise<{ input: Input; after: After | undefined }> {
  if (hint === undefined) {
    return { input, after: undefined };
  }
  const { params = {}, query = {}, body, after } = await hint(actor, input);
  return {
    input: {
      params: { ...input.params, ...params },
      query: defined({ ...input.query, ...query }),
      body: body === undefined ? input.body : defined({ ...(input.body as object), ...body }),
    },
    after,
  };
}

const NASTY: unknown[] = [
  null,
  '',
  -1,
  0,
  1e308,
  -1e308,
  true,
  {},
  [],
  [[[[]]]],
  'x'.repeat(5000),
  '\u0000',
  '\ud800',
  '../../etc/passwd',
  "'; DROP TABLE users; --",
  '${7*7}',
  { __proto__: { admin: true } },
  Number.MAX_SAFE_INTEGER,
  1.5,
  '💥'.repeat(50),
];
const PATHS = [
  '%zz',
  '%00',
  '..%2f..%2fetc',
  '%2e%2e',
  '%ff%fe',
  'a'.repeat(3000),
  '%F0%9F%92%A5',
  ';x=1',
  '%250a',
  "'--",
];
const HEADERS: Record<string, string>[] = [
  { 'terrarium-min-seq': 'x' },
  { 'terrarium-min-seq': '99999999999999' },
  { 'if-match': '*' },
  { 'if-match': '"x"' },
  { 'if-match': '"999999"' },
  { 'terrarium-command-id': 'x' },
  { 'content-type': 'text/plain' },
  { 'content-type': 'application/json; charset=utf-16' },
  { authorization: 'Basic x' },
  { authorization: 'Bearer trr_' },
  { authorization: 'Bearer trs_x' },
  { 'last-event-id': 'x' },
  { accept: 'text/html' },
  { cookie: '__Host-terrarium=x' },
  { 'content-encoding': 'gzip' },
];

/** How an input is spoilt; `refused`: it must not be carried out. */
interface Spoilt {
  sent: Sent;
  refused: boolean;
}

function spoil(route: Route, input: Input, actor: Actor, n: number): Spoilt {
  const sent = build(route, input, actor);
  // The way goes by n; what is taken for it must not go the same pace.
  const pick = <T>(list: readonly T[]): T => list[Math.floor(n / ways.length) % list.length] as T;
  const body =
    typeof input.body === 'object' && input.body !== null ? (input.body as Record<string, unknown>) : undefined;
  const withBody = (value: unknown): Sent => ({
    ...sent,
    body: typeof value === 'string' ? value : (JSON.stringify(value) ?? ''),
    headers: { ...sent.headers, 'content-type': 'application/json' },
  });
  const ways: (() => Spoilt)[] = [
    () => ({ sent: { ...sent, headers: { ...sent.headers, ...pick(HEADERS) } }, refused: false }),
    () => ({
      sent: { ...sent, path: `${sent.path}${sent.path.includes('?') ? '&' : '?'}unknown=${n}` },
      refused: route.path.startsWith('/api'),
    }),
    () => ({
      sent: { ...sent, path: `${sent.path}${sent.path.includes('?') ? '&' : '?'}limit=1&limit=2&cursor=%00` },
      refused: route.path.startsWith('/api'),
    }),
    ...(route.path.includes('{')
      ? [(): Spoilt => ({ sent: { ...sent, path: route.path.replace(/\{\w+\}/, pick(PATHS)) }, refused: false })]
      : []),
    ...(body === undefined || route.body === undefined
      ? []
      : [
          (): Spoilt => ({ sent: withBody({ ...body, unknown: pick(NASTY) }), refused: true }),
          (): Spoilt => ({
            sent: withBody({ ...body, [pick([...Object.keys(body), 'a'])]: NASTY[(n * 7) % NASTY.length] }),
            refused: false,
          }),
          (): Spoilt => ({ sent: withBody(Object.fromEntries(Object.entries(body).slice(1))), refused: false }),
          (): Spoilt => ({ sent: withBody(pick(NASTY) ?? 'null'), refused: false }),
          (): Spoilt => ({ sent: withBody(JSON.stringify(body).slice(0, -1 - (n % 5))), refused: true }),
          (): Spoilt => ({
            sent: withBody(n % 100 === 9 ? `{"a":"${'x'.repeat(1_100_000)}"}` : '['.repeat(5000)),
            refused: true,
          }),
        ]),
  ];
  return (ways[n % ways.length] as () => Spoilt)();
}

/** Puts back what the next request needs: a session after a logout, room for tokens. */
async function restore(route: Route, actor: Actor, got: Got): Promise<void> {
  if (route.path === '/api/v1/logout' && got.status === 204) {
    actor.token = await login(actor.name, actor.password);
  }
  if (route.path === '/api/v1/tokens' && got.status === 201) {
    await send({
      method: 'DELETE',
      path: `/api/v1/tokens/${(JSON.parse(got.body) as { id: string }).id}`,
      headers: { authorization: `Bearer ${actor.token}` },
    });
  }
}

/** What is wrong with an answer; undefined for nothing. */
function wrong(route: Route, got: Got): string | undefined {
  if (got.status >= 500 && got.status !== 503 && got.status !== 507) {
    return `status ${got.status}`;
  }
  if (/\n\s+at .+:\d+:\d+|node_modules|\.ts:\d+|SqliteError|SQLITE_/.test(got.body)) {
    return 'a stack trace, or something of the kind';
  }
  if (got.status >= 400) {
    if (!got.type.startsWith('application/problem+json')) {
      return `no problem but ${got.type}`;
    }
    const { type, title, status, requestId } = JSON.parse(got.body) as {
      type?: string;
      title?: string;
      status?: number;
      requestId?: string;
    };
    return /^urn:terrarium:problem:[a-z][a-z-]*$/.test(type ?? '') &&
      (title ?? '').length > 5 &&
      status === got.status &&
      (requestId ?? '').length > 0
      ? undefined
      : 'not a whole problem';
  }
  if (route.reply === undefined) {
    return got.status === 204 && got.body === '' ? undefined : `status ${got.status} with content`;
  }
  if (isMedia(route.reply)) {
    return got.type.startsWith(route.reply.type) ? undefined : `the type is ${got.type}`;
  }
  const parsed = route.reply.safeParse(JSON.parse(got.body));
  return parsed.success ? undefined : `the answer is not as described: ${parsed.error.message}`;
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

t.before(async () => {
  clouds = await localClouds([node], { credentials: false });
  // Users with a cheap hash, so that thousands of logins take no hours; nothing else of them is special.
  const salt = randomBytes(16);
  const passwordHash = `scrypt$10$8$1$${salt.toString('base64')}$${scryptSync(FIRST_PASSWORD, salt, 32, { N: 1024 }).toString('base64')}`;
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
  for (let n = 0; n < 2 * RUNS + 20; n += 1) {
    spare.push(`spare-${n}`);
  }
  await Promise.all(spare.map((name) => create(name, 'viewer')));
  await replica.stop();
  await clouds.start(node);
  for (const role of ROLES) {
    actors.set(role, {
      role,
      name: `fuzz-${role}`,
      password: FIRST_PASSWORD,
      token: await login(`fuzz-${role}`, FIRST_PASSWORD),
    });
  }
  admin = {
    role: 'admin',
    name: 'fuzz-helper',
    password: FIRST_PASSWORD,
    token: await login('fuzz-helper', FIRST_PASSWORD),
  };
  // The satellite of the node is heard once; nothing else of it is there.
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
  paths = (
    JSON.parse((await send({ method: 'GET', path: '/api/v1/openapi.json', headers: {} })).body) as {
      paths: typeof paths;
    }
  ).paths;
});
t.teardown(() => {
  agent.destroy();
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
  const generated = fc.sample(inputs(route), { numRuns: RUNS * 2, seed: SEED });
  const atOnce = CHANGES_SESSIONS.has(route.path) ? 1 : AT_ONCE;
  await eachOf(generated.slice(0, RUNS), atOnce, async (given, n) => {
    const { input, after } = await apply(n % 4 === 3 ? undefined : hintOf(route), actor, given);
    const sent = build(route, input, actor);
    const got = await send(sent).catch((error: Error) => error);
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
    const { input, after } = await apply(n % 2 === 0 ? undefined : hintOf(route), actor, given);
    const { sent, refused } = spoil(route, input, actor, n + RUNS * turn);
    const got = await send(sent).catch((error: Error) => error);
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
    const ready = await send({ method: 'GET', path: '/readyz', headers: {} });
    t.equal(ready.status, 200, 'and it is ready as before');
    t.notOk(
      clouds.output.some((line) => /http: [0-9a-f]{16} /.test(line)),
      'nothing unexpected in its log',
    );
  },
);
