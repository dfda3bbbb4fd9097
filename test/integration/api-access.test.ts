import t from 'tap';
import type { AuditEntry, ChangeLine, Page, SavedQuery, Token, User } from '../../src/cloud/api.ts';
import { API_TOKEN, PASSWORD, call, localClouds, open, until, type Answer, type CallOptions, type LocalClouds } from '../support/local-cloud.ts';

/** Users, rights, tokens, sessions, versions, the audit log and watches, over a real cloud. */
const node = { name: 'n1', address: '127.0.0.1' };
let clouds: LocalClouds;

const api = (path: string, options: CallOptions = {}): Promise<Answer> => call(clouds, node, path.startsWith('/') ? path : `/api/v1/${path}`, options);
const by = (bearer: string, more: Record<string, string> = {}): { headers: Record<string, string> } => ({ headers: { authorization: `Bearer ${bearer}`, ...more } });
const root = by(API_TOKEN);
const body = <T>(answer: Answer): T => JSON.parse(answer.body) as T;
const code = (answer: Answer): string => body<{ type: string }>(answer).type.replace('urn:terrarium:problem:', '');

async function login(user: string, password: string): Promise<{ token: string; passwordChange: string; cookie: string }> {
  const answer = await api('login', { body: { user, password } });
  if (answer.status !== 200) throw new Error(`login of ${user}: ${answer.status} ${answer.body}`);
  return { ...body<{ token: string; passwordChange: string }>(answer), cookie: (answer.headers['set-cookie']?.[0] ?? '').split(';')[0] ?? '' };
}

/** A user with a session, past the change of the first password. */
async function person(name: string, role: string): Promise<string> {
  const made = await api('users', { ...root, body: { name, role, password: `first of ${name}` } });
  if (made.status !== 201) throw new Error(made.body);
  const first = await login(name, `first of ${name}`);
  const changed = await api('password', { ...by(first.token), body: { current: `first of ${name}`, password: `second of ${name}` } });
  if (changed.status !== 200) throw new Error(changed.body);
  return body<{ token: string }>(changed).token;
}

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
  for (const password of ['short', 'first of eva']) t.equal((await api('password', { ...by(token), body: { current: 'first of eva', password } })).status, 400, password);
  t.equal((await api('password', { ...by(token), body: { current: 'wrong', password: 'second of eva' } })).status, 403);
  const changed = await api('password', { ...by(token), body: { current: 'first of eva', password: 'second of eva' } });
  t.equal(changed.status, 200, changed.body);
  t.equal((await api('overview', by(token))).status, 401, 'the session before has ended');
  t.equal((await api('overview', by(body<{ token: string }>(changed).token))).status, 200);
});

t.test('what each role may do', async (t) => {
  const people = { viewer: await person('vic', 'viewer'), operator: await person('olga', 'operator'), admin: await person('ada', 'admin') };
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
      t.ok(may.includes(role) ? status < 400 || (path === 'saved-queries/q1' && role !== 'operator') : status === 403, `${role} ${path}: ${status}`);
    }
  }
});

t.test('API tokens: shown once, with no more rights than asked for and had, ended by deletion and with their owner', async (t) => {
  const session = await person('tom', 'operator');
  t.equal((await api('tokens', { ...by(session), body: { name: 'too much', scopes: ['admin'] } })).status, 403);
  t.equal((await api('tokens', { ...by(session), body: { name: 'too long', scopes: ['read'], days: 366 } })).status, 400);
  const made = await api('tokens', { ...by(session), body: { name: 'scraper', scopes: ['metrics'], days: 1 } });
  t.equal(made.status, 201);
  const { token, ...shown } = body<Token & { token: string }>(made);
  t.match(token, new RegExp(`^trr_${shown.id}_[A-Za-z0-9_-]{43}$`));
  t.ok(Date.parse(shown.expiresAt) - Date.now() <= 24 * 3_600_000);
  t.equal((await api('/metrics', by(token))).status, 200);
  for (const path of ['overview', 'users', 'saved-queries']) t.equal((await api(path, by(token))).status, 403, path);
  t.equal((await api('tokens', { ...by(token), body: { name: 'child', scopes: ['metrics'] } })).status, 403, 'a token makes no tokens');
  t.notMatch((await api('tokens', by(session))).body, token.split('_')[2] ?? token);
  t.same(body<Page<Token>>(await api('tokens', by(session))).items.map((i) => i.id), [shown.id], 'only the own ones');
  const other = await person('tina', 'viewer');
  t.equal((await api(`tokens/${shown.id}`, by(other))).status, 404, "somebody else's is not there");
  t.equal((await api(`tokens/${shown.id}`, { method: 'DELETE', ...by(other) })).status, 404);
  t.equal((await api('users/tom', { method: 'PATCH', ...root, body: { disabled: true } })).status, 200);
  t.equal((await api('/metrics', by(token))).status, 401, 'with its owner');
  t.equal((await api('overview', by(session))).status, 401, 'as his sessions');
  t.equal((await api('users/tom', { method: 'PATCH', ...root, body: { disabled: false } })).status, 200);
  t.equal((await api('overview', by(session))).status, 401, 'which do not come back');
  t.equal((await api('/metrics', by(token))).status, 200);
  t.equal((await api(`tokens/${shown.id}`, { method: 'DELETE', ...root })).status, 204);
  t.equal((await api('/metrics', by(token))).status, 401);
});

t.test('an administrator sees and ends sessions, and cannot be the last to go', async (t) => {
  const token = await person('sam', 'viewer');
  const seen = body<Page<{ id: string; current: boolean }>>(await api('sessions?user=sam', root));
  t.equal(seen.items.length, 1);
  t.match(body<Page<{ current: boolean }>>(await api('sessions', by(token))).items, [{ user: 'sam', address: '127.0.0.1', current: true }]);
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
  const second = await api('saved-queries/v', { method: 'PUT', ...by(API_TOKEN, { 'if-match': etag }), body: { name: 'v', sql: 'select 2' } });
  t.equal(second.status, 200);
  const stale = await api('saved-queries/v', { method: 'PUT', ...by(API_TOKEN, { 'if-match': etag }), body: { name: 'v', sql: 'select 3' } });
  t.equal(stale.status, 412);
  t.equal(code(stale), 'version-conflict');
  const { version } = body<SavedQuery>(second);
  t.equal((await api('saved-queries/v', { method: 'PUT', ...root, body: { name: 'v', sql: 'select 3', expect: version - 1 } })).status, 409);
  t.equal((await api(`saved-queries/v?expect=${version - 1}`, { method: 'DELETE', ...root })).status, 409);
  t.equal(body<SavedQuery>(await api('saved-queries/v', root)).sql, 'select 2');
  t.equal((await api(`saved-queries/v?expect=${version}`, { method: 'DELETE', ...root })).status, 204);
  t.equal((await api('saved-queries/v', { method: 'DELETE', ...root })).status, 404);
});

t.test('a change repeated by its id is carried out once', async (t) => {
  const id = '01ARZ3NDEKTSV4RRFFQ69G5FAV';
  const once = { ...by(API_TOKEN, { 'terrarium-command-id': id }), body: { name: 'once', role: 'viewer', password: 'a long password' } };
  t.equal((await api('users', once)).status, 201);
  t.equal((await api('users', once)).status, 201);
  t.equal((await api('users', { ...root, body: once.body })).status, 409);
  const audit = body<Page<AuditEntry>>(await api('audit?resource=user/once', root));
  t.equal(audit.items.filter((e) => e.kind === 'user.create' && e.outcome === 'ok').length, 1);
  t.equal((await api('users', { ...by(API_TOKEN, { 'terrarium-command-id': 'x' }), body: { ...once.body, name: 'other' } })).status, 400);
});

t.test('pages, and a position that the answer must have seen', async (t) => {
  const names: string[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page: Page<User> = body(await api(`users?limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`, root));
    t.ok(page.items.length <= 2);
    names.push(...page.items.map((u) => u.name));
    cursor = page.next;
  }
  t.same(names, [...new Set(names)].sort());
  t.ok(names.includes('admin') && names.includes('vic'));
  for (const wrong of ['limit=0', 'limit=501', 'limit=x', 'cursor=%00', 'cursor=a', 'unknown=1', 'limit=1&limit=2']) t.equal((await api(`users?${wrong}`, root)).status, 400, wrong);
  const seq = Number((await api('users', root)).headers['terrarium-seq']);
  t.equal((await api('users', by(API_TOKEN, { 'terrarium-min-seq': String(seq) }))).status, 200);
  const behind = await api('users', by(API_TOKEN, { 'terrarium-min-seq': String(seq + 1000) }));
  t.equal(behind.status, 503);
  t.match(behind.headers, { 'retry-after': '2' });
});

t.test('a page of another origin changes nothing', async (t) => {
  const { cookie } = await login('admin', PASSWORD);
  const change = { body: { name: 'q', sql: 'select 1' }, method: 'PUT' };
  const asks = (headers: Record<string, string>): Promise<number> => api('saved-queries/csrf', { ...change, headers: { cookie, ...headers } }).then((a) => a.status);
  t.equal(await asks({}), 403);
  t.equal(await asks({ 'x-terrarium-client': 'x', 'sec-fetch-site': 'cross-site' }), 403);
  t.equal(await asks({ 'x-terrarium-client': 'x', 'sec-fetch-site': 'same-site' }), 403);
  t.equal(await asks({ 'x-terrarium-client': 'x', 'content-type': 'text/plain' }), 415);
  t.equal(await asks({ 'x-terrarium-client': 'x', 'sec-fetch-site': 'same-origin' }), 200);
  t.equal((await api('login', { body: { user: 'admin', password: PASSWORD }, headers: { 'sec-fetch-site': 'cross-site' } })).status, 403, 'nor does it log anybody in');
});

t.test('the audit log: who, what, before, after, and no secret', async (t) => {
  await api('users/vic', { method: 'PATCH', ...root, body: { role: 'operator' } });
  const [entry] = body<Page<AuditEntry>>(await api('audit?resource=user/vic&limit=1', root)).items;
  t.match(entry, { actor: 'token/cli', kind: 'user.update', outcome: 'ok', changes: [{ resource: 'user/vic', before: { role: 'viewer' }, after: { role: 'operator' } }] });
  t.notMatch((await api('audit?limit=500', root)).body, /scrypt|trs_|"hash"/);
});

t.test('refused logins are in the audit log, with name and address, and look the same for who exists and who does not', async (t) => {
  const answers: Answer[] = [];
  for (const user of ['admin', 'nobody.of.that.name']) answers.push(await api('login', { body: { user, password: 'wrong' } }));
  t.same(answers.map((a) => a.status), [401, 401]);
  const [one, other] = answers.map((a) => body<Record<string, unknown>>(a));
  t.same({ ...one, requestId: '', instance: '' }, { ...other, requestId: '', instance: '' });
  for (const user of ['admin', 'nobody.of.that.name']) {
    const entry = await until(`the entry of ${user}`, async () => body<Page<AuditEntry>>(await api(`audit?limit=500&resource=user/${user}`, root)).items.find((e) => e.kind === 'login.failed'));
    t.match(entry, { actor: 'login/127.0.0.1', outcome: 'ok', changes: [{ resource: `user/${user}`, after: { failedLogins: 1, from: '127.0.0.1' } }] });
  }
  await api('login', { body: { user: 'admin', password: 'wrong' } });
  t.match((await api('/metrics', root)).body, /terrarium_failed_logins_total\{recorded="yes"\} 2/, 'the next one waits for its minute');
});

t.test('a watch tells every change once, from where it was left, and ends with the session', async (t) => {
  const session = await person('wanda', 'admin');
  const from = Number((await api('users', root)).headers['terrarium-seq']);
  const read = async (query: string, headers: Record<string, string> = {}): Promise<{ lines: () => ChangeLine[]; text: () => string; stop(): void }> => {
    const stream = await open(clouds, node, `/api/v1/watch?${query}`, by(session, headers));
    if (stream.statusCode !== 200) throw new Error(`watch: ${stream.statusCode}`);
    let text = '';
    stream.setEncoding('utf8').on('data', (chunk: string) => (text += chunk)).on('error', () => undefined);
    return {
      text: () => text,
      lines: () => text.split('\n\n').filter((e) => /^id: \d+\nevent: change\n/.test(e)).map((e) => JSON.parse(e.slice(e.indexOf('data: ') + 6)) as ChangeLine),
      stop: () => void stream.destroy(),
    };
  };
  const watch = await read(`topics=saved-queries,users&since=${from}`);
  await api('saved-queries/w', { method: 'PUT', ...root, body: { name: 'w', sql: 'select 1' } });
  await api('saved-queries/w', { method: 'PUT', ...root, body: { name: 'w', sql: 'select 2' } });
  await api('saved-queries/w', { method: 'DELETE', ...root });
  await until('three changes', () => (watch.lines().length >= 3 ? true : undefined), 3000);
  t.match(watch.lines(), [{ topic: 'saved-queries', change: 'created', key: 'w' }, { change: 'changed' }, { change: 'deleted', item: null }]);
  t.match(JSON.parse(/event: start\ndata: (.*)/.exec(watch.text())?.[1] ?? ''), { seq: from, version: Number, user: 'wanda', role: 'admin' });
  const again = await read(`topics=saved-queries`, { 'last-event-id': String(watch.lines()[1]?.seq) });
  await until('the rest', () => (again.lines().length > 0 ? true : undefined), 3000);
  t.match(again.lines(), [{ change: 'deleted', key: 'w' }]);
  again.stop();
  t.equal((await api(`watch?topics=users&since=${from + 100_000}`, by(session))).status, 410);
  t.equal((await api('watch?topics=users', by(await person('walt', 'viewer')))).status, 403);
  await api('users/wanda/sessions', { method: 'DELETE', ...root });
  await until('its end', () => (watch.text().includes('event: end\ndata: {"reason":"session"}') ? true : undefined), 3000);
  t.pass();
});

t.test('figures for Prometheus, and a description of every route', async (t) => {
  const metrics = (await api('/metrics', root)).body;
  for (const name of ['terrarium_ready 1', 'terrarium_state_position', 'terrarium_http_requests_total{method="PATCH",path="/api/v1/users/{name}",status="200"}', 'process_cpu_seconds_total']) t.ok(metrics.includes(name), name);
  t.equal((await api('/metrics')).status, 401);
  const document = body<{ openapi: string; paths: Record<string, Record<string, { 'x-terrarium-audit'?: string[] }>> }>(await api('openapi.json'));
  t.equal(document.openapi, '3.1.0');
  for (const [path, methods] of Object.entries(document.paths)) for (const [method, about] of Object.entries(methods)) t.ok(method === 'get' || about['x-terrarium-audit'] !== undefined, `${method} ${path} says what the audit log has of it`);
});
