import t from 'tap';
import type { AuditEntry } from '../../src/api/audit.ts';
import type { Page } from '../../src/api/page.ts';
import type { SavedQuery } from '../../src/api/saved-queries.ts';
import type { User } from '../../src/api/users.ts';
import {
  API_TOKEN,
  PASSWORD,
  localClouds,
  type Answer,
  type CallOptions,
  type LocalClouds,
} from '../support/local-cloud.ts';
import { apiClient, body, by, code, root } from './support/api-access/client.ts';
import { loginTests } from './support/api-access/logins.ts';
import { tokenTests } from './support/api-access/tokens.ts';
import { watchTests } from './support/api-access/watches.ts';

/** Users, rights, tokens, sessions, versions, the audit log and watches, over a real cloud. */
const node = { name: 'n1', address: '127.0.0.1' };
let clouds: LocalClouds;

const client = apiClient(() => clouds, node);
const { api, login, person } = client;

t.before(async () => {
  clouds = await localClouds([node]);
  await clouds.start(node);
});
t.teardown(() => clouds.stop());

t.test('a new user changes the password before anything else; the installed one is offered to', async (t) => {
  t.equal((await login('admin', PASSWORD)).passwordChange, 'offered');
  const made = await api('users', { ...root, body: { name: 'eva', role: 'operator', password: 'first of eva' } });
  t.equal(made.status, 201);
  t.match(body(made), { name: 'eva', role: 'operator', mustChangePassword: true, disabled: false });
  const { token, passwordChange } = await login('eva', 'first of eva');
  t.equal(passwordChange, 'required');
  const refused = await api('overview', by(token));
  t.equal(refused.status, 403);
  t.equal(code(refused), 'password-change-required');
  t.match(body(await api('session', by(token))), { user: 'eva', passwordChange: 'required' });
  for (const password of ['short', 'first of eva']) {
    t.equal(
      (await api('password', { ...by(token), body: { current: 'first of eva', password } })).status,
      400,
      password,
    );
  }
  t.equal((await api('password', { ...by(token), body: { current: 'wrong', password: 'second of eva' } })).status, 403);
  const changed = await api('password', { ...by(token), body: { current: 'first of eva', password: 'second of eva' } });
  t.equal(changed.status, 200, changed.body);
  t.equal((await api('overview', by(token))).status, 401, 'the session before has ended');
  t.equal((await api('overview', by(body<{ token: string }>(changed).token))).status, 200);
});

t.test('what each role may do', async (t) => {
  const people = {
    viewer: await person('vic', 'viewer'),
    operator: await person('olga', 'operator'),
    admin: await person('ada', 'admin'),
  };
  const cases: [string, CallOptions, string[]][] = [
    ['overview', {}, ['viewer', 'operator', 'admin']],
    ['saved-queries', {}, ['viewer', 'operator', 'admin']],
    ['tokens', {}, ['viewer', 'operator', 'admin']],
    ['queries', { body: { sql: 'select 1' } }, ['operator', 'admin']],
    ['saved-queries/q1', { method: 'PUT', body: { name: 'q', sql: 'select 1' } }, ['operator', 'admin']],
    ['/metrics', {}, ['operator', 'admin']],
    ['users', {}, ['admin']],
    ['audit', {}, ['admin']],
    ['users/vic', { method: 'PATCH', body: { disabled: false } }, ['admin']],
  ];
  for (const [path, options, may] of cases) {
    for (const [role, token] of Object.entries(people)) {
      const { status } = await api(path, { ...options, ...by(token) });
      // What is somebody else's may not be changed by one who could otherwise.
      t.ok(
        may.includes(role) ? status < 400 || (path === 'saved-queries/q1' && role !== 'operator') : status === 403,
        `${role} ${path}: ${status}`,
      );
    }
  }
});

tokenTests(t, client);

t.test('an administrator sees and ends sessions, and cannot be the last to go', async (t) => {
  const token = await person('sam', 'viewer');
  const seen = body<Page<{ id: string; current: boolean }>>(await api('sessions?user=sam', root));
  t.equal(seen.items.length, 1);
  t.match(body<Page<{ current: boolean }>>(await api('sessions', by(token))).items, [
    { user: 'sam', address: '127.0.0.1', current: true },
  ]);
  t.equal((await api(`sessions/${seen.items[0]?.id}`, { method: 'DELETE', ...root })).status, 204);
  t.equal((await api('overview', by(token))).status, 401);
  await login('sam', 'second of sam');
  t.same(body(await api('users/sam/sessions', { method: 'DELETE', ...root })), { ended: 1 });
  t.equal((await api('users/ada', { method: 'DELETE', ...root })).status, 204);
  const last = await api('users/admin', { method: 'DELETE', ...root });
  t.equal(last.status, 403);
  t.match(body(last), { title: /no user who is an administrator/ });
});

t.test('versions: ETag and If-Match, or expect', async (t) => {
  const made = await api('saved-queries/v', { method: 'PUT', ...root, body: { name: 'v', sql: 'select 1' } });
  const etag = String(made.headers['etag']);
  t.match(etag, /^"\d+"$/);
  t.equal(made.headers['terrarium-seq'], etag.slice(1, -1));
  const second = await api('saved-queries/v', {
    method: 'PUT',
    ...by(API_TOKEN, { 'if-match': etag }),
    body: { name: 'v', sql: 'select 2' },
  });
  t.equal(second.status, 200);
  const stale = await api('saved-queries/v', {
    method: 'PUT',
    ...by(API_TOKEN, { 'if-match': etag }),
    body: { name: 'v', sql: 'select 3' },
  });
  t.equal(stale.status, 412);
  t.equal(code(stale), 'version-conflict');
  const { version } = body<SavedQuery>(second);
  t.equal(
    (
      await api('saved-queries/v', {
        method: 'PUT',
        ...root,
        body: { name: 'v', sql: 'select 3', expect: version - 1 },
      })
    ).status,
    409,
  );
  t.equal((await api(`saved-queries/v?expect=${version - 1}`, { method: 'DELETE', ...root })).status, 409);
  t.equal(body<SavedQuery>(await api('saved-queries/v', root)).sql, 'select 2');
  t.equal((await api(`saved-queries/v?expect=${version}`, { method: 'DELETE', ...root })).status, 204);
  t.equal((await api('saved-queries/v', { method: 'DELETE', ...root })).status, 404);
});

t.test('a body of thousands of levels is refused by a sentence, and nothing unexpected is in the log', async (t) => {
  let deep: unknown = 1;
  const put = (details: unknown): Promise<Answer> =>
    api('saved-queries/deep', { method: 'PUT', ...root, body: { name: 'deep', sql: 'select 1', details } });
  for (let level = 1; level <= 3_000; level += 1) {
    deep = level % 2 === 0 ? [deep] : { a: deep };
    if (level === 4) {
      t.equal((await put({ a: deep })).status, 200, 'four levels');
    }
    if (level === 5 || level === 60) {
      t.match(body(await put({ a: deep })), {
        status: 400,
        errors: [{ path: 'details.a', message: 'not JSON of at most 4 levels' }],
      });
    }
    if (level === 1_500 || level === 3_000) {
      t.match(body(await put({ a: deep })), { status: 400, title: 'The JSON is nested deeper than 64 levels.' });
    }
  }
  t.equal(code(await api('login', { body: deep })), 'too-deep', 'nor of somebody who is not logged in');
  t.notMatch(clouds.output.join(''), /RangeError/);
});

t.test('a change repeated by its id is carried out once', async (t) => {
  const id = '01ARZ3NDEKTSV4RRFFQ69G5FAV';
  const once = {
    ...by(API_TOKEN, { 'terrarium-command-id': id }),
    body: { name: 'once', role: 'viewer', password: 'a long password' },
  };
  t.equal((await api('users', once)).status, 201);
  t.equal((await api('users', once)).status, 201);
  t.equal((await api('users', { ...root, body: once.body })).status, 409);
  const audit = body<Page<AuditEntry>>(await api('audit?resource=user/once', root));
  t.equal(audit.items.filter((e) => e.kind === 'user.create' && e.outcome === 'ok').length, 1);
  t.equal(
    (await api('users', { ...by(API_TOKEN, { 'terrarium-command-id': 'x' }), body: { ...once.body, name: 'other' } }))
      .status,
    400,
  );
});

t.test('pages, and a position that the answer must have seen', async (t) => {
  const names: string[] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const page: Page<User> = body(await api(`users?limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`, root));
    t.ok(page.items.length <= 2);
    names.push(...page.items.map((u) => u.name));
    cursor = page.next;
  }
  t.same(names, [...new Set(names)].sort());
  t.ok(names.includes('admin') && names.includes('vic'));
  for (const wrong of ['limit=0', 'limit=501', 'limit=x', 'cursor=%00', 'cursor=a', 'unknown=1', 'limit=1&limit=2']) {
    t.equal((await api(`users?${wrong}`, root)).status, 400, wrong);
  }
  const seq = Number((await api('users', root)).headers['terrarium-seq']);
  t.equal((await api('users', by(API_TOKEN, { 'terrarium-min-seq': String(seq) }))).status, 200);
  const behind = await api('users', by(API_TOKEN, { 'terrarium-min-seq': String(seq + 1000) }));
  t.equal(behind.status, 503);
  t.match(behind.headers, { 'retry-after': '2' });
});

t.test('a page of another origin changes nothing', async (t) => {
  const { cookie } = await login('admin', PASSWORD);
  const change = { body: { name: 'q', sql: 'select 1' }, method: 'PUT' };
  const asks = (headers: Record<string, string>): Promise<number> =>
    api('saved-queries/csrf', { ...change, headers: { cookie, ...headers } }).then((a) => a.status);
  t.equal(await asks({}), 403);
  t.equal(await asks({ 'x-terrarium-client': 'x', 'sec-fetch-site': 'cross-site' }), 403);
  t.equal(await asks({ 'x-terrarium-client': 'x', 'sec-fetch-site': 'same-site' }), 403);
  t.equal(await asks({ 'x-terrarium-client': 'x', 'content-type': 'text/plain' }), 415);
  t.equal(await asks({ 'x-terrarium-client': 'x', 'sec-fetch-site': 'same-origin' }), 200);
  t.equal(
    (await api('login', { body: { user: 'admin', password: PASSWORD }, headers: { 'sec-fetch-site': 'cross-site' } }))
      .status,
    403,
    'nor does it log anybody in',
  );
});

t.test('the audit log: who, what, before, after, and no secret', async (t) => {
  await api('users/vic', { method: 'PATCH', ...root, body: { role: 'operator' } });
  const [entry] = body<Page<AuditEntry>>(await api('audit?resource=user/vic&limit=1', root)).items;
  t.match(entry, {
    actor: 'token/cli',
    kind: 'user.update',
    outcome: 'ok',
    changes: [{ resource: 'user/vic', before: { role: 'viewer' }, after: { role: 'operator' } }],
  });
  t.notMatch((await api('audit?limit=500', root)).body, /scrypt|trs_|"hash"/);
});

loginTests(t, client);

watchTests(t, client);

t.test('figures for Prometheus, and a description of every route', async (t) => {
  const metrics = (await api('/metrics', root)).body;
  for (const name of [
    'terrarium_ready 1',
    'terrarium_state_position',
    'terrarium_http_requests_total{method="PATCH",path="/api/v1/users/{name}",status="200"}',
    'process_cpu_seconds_total',
  ]) {
    t.ok(metrics.includes(name), name);
  }
  t.equal((await api('/metrics')).status, 401);
  const document = body<{ openapi: string; paths: Record<string, Record<string, { 'x-terrarium-audit'?: string[] }>> }>(
    await api('openapi.json'),
  );
  t.equal(document.openapi, '3.1.0');
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, about] of Object.entries(methods)) {
      t.ok(
        method === 'get' || about['x-terrarium-audit'] !== undefined,
        `${method} ${path} says what the audit log has of it`,
      );
    }
  }
});
