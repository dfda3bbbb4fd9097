import t from 'tap';
import type { AuditEntry } from '../../src/api/audit.ts';
import type { Page } from '../../src/api/page.ts';
import type { SavedQuery } from '../../src/api/saved-queries.ts';
import type { Token, User } from '../../src/api/users.ts';
import type { ChangeLine } from '../../src/api/watch.ts';
import {
  API_TOKEN,
  PASSWORD,
  call,
  localClouds,
  open,
  until,
  type Answer,
  type CallOptions,
  type LocalClouds,
} from '../support/local-cloud.ts';

/** Users, rights, tokens, sessions, versions, the audit log and watches, over a real cloud. */
const node = { name: 'n1', address: '127.0.0.1' };
let clouds: LocalClouds;

const api = (path: string, options: CallOptions = {}): Promise<Answer> =>
  call(clouds, node, path.startsWith('/') ? path : `/api/v1/${path}`, options);
const by = (bearer: string, more: Record<string, string> = {}): { headers: Record<string, string> } => ({
  headers: { authorization: `Bearer ${bearer}`, ...more },
});
const root = by(API_TOKEN);
const body = <T>(answer: Answer): T => JSON.parse(answer.body) as T;
const code = (answer: Answer): string => body<{ type: string }>(answer).type.replace('urn:terrarium:problem:', '');

async function login(
  user: string,
  password: string,
): Promise<{ token: string; passwordChange: string; cookie: string }> {
  const answer = await api('login', { body: { user, password } });
  if (answer.status !== 200) {
    throw new Error(`login of ${user}: ${answer.status} ${answer.body}`);
  }
  return {
    ...body<{ token: string; passwordChange: string }>(answer),
    cookie: (answer.headers['set-cookie']?.[0] ?? '').split(';')[0] ?? '',
  };
}

/** A user with a session, past the change of the first password. */
async function person(name: string, role: string): Promise<string> {
  const made = await api('users', { ...root, body: { name, role, password: `first of ${name}` } });
  if (made.status !== 201) {
    throw new Error(made.body);
  }
  const first = await login(name, `first of ${name}`);
  const changed = await api('password', {
    ...by(first.token),
    body: { current: `first of ${name}`, password: `second of ${name}` },
  });
  if (changed.status !== 200) {
    throw new Error(changed.body);
  }
  return body<{ token: string }>(changed).token;
}

interface Watching {
  lines(): ChangeLine[];
  text(): string;
  stop(): void;
}

async function watching(bearer: string, query: string, headers: Record<string, string> = {}): Promise<Watching> {
  const stream = await open(clouds, node, `/api/v1/watch?${query}`, by(bearer, headers));
  if (stream.statusCode !== 200) {
    throw new Error(`watch: ${stream.statusCode}`);
  }
  let text = '';
  stream
    .setEncoding('utf8')
    .on('data', (chunk: string) => (text += chunk))
    .on('error', () => undefined);
  return {
    text: () => text,
    lines: () =>
      text
        .split('\n\n')
        .filter((e) => /^id: \d+\nevent: change\n/.test(e))
        .map((e) => JSON.parse(e.slice(e.indexOf('data: ') + 6)) as ChangeLine),
    stop: () => void stream.destroy(),
  };
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

t.test(
  'API tokens: shown once, with no more rights than asked for and had, ended by deletion and with their owner',
  async (t) => {
    const session = await person('tom', 'operator');
    t.equal((await api('tokens', { ...by(session), body: { name: 'too much', scopes: ['admin'] } })).status, 403);
    t.equal(
      (await api('tokens', { ...by(session), body: { name: 'too long', scopes: ['read'], days: 366 } })).status,
      400,
    );
    const made = await api('tokens', { ...by(session), body: { name: 'scraper', scopes: ['metrics'], days: 1 } });
    t.equal(made.status, 201);
    const { token, ...shown } = body<Token & { token: string }>(made);
    t.match(token, new RegExp(`^trr_${shown.id}_[A-Za-z0-9_-]{43}$`));
    t.ok(Date.parse(shown.expiresAt) - Date.now() <= 24 * 3_600_000);
    t.equal((await api('/metrics', by(token))).status, 200);
    for (const path of ['overview', 'users', 'saved-queries']) {
      t.equal((await api(path, by(token))).status, 403, path);
    }
    t.equal(
      (await api('tokens', { ...by(token), body: { name: 'child', scopes: ['metrics'] } })).status,
      403,
      'a token makes no tokens',
    );
    t.notMatch((await api('tokens', by(session))).body, token.split('_')[2] ?? token);
    t.same(
      body<Page<Token>>(await api('tokens', by(session))).items.map((i) => i.id),
      [shown.id],
      'only the own ones',
    );
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
  },
);

t.test('a token sees and ends nothing of its owner but itself, unless it may administer', async (t) => {
  const session = await person('otto', 'admin');
  const make = async (scope: string): Promise<{ id: string; token: string }> =>
    body(await api('tokens', { ...by(session), body: { name: scope, scopes: [scope] } }));
  const other = await make('operate');
  const own =
    body<Page<{ id: string; current: boolean }>>(await api('sessions', by(session))).items.find((s) => s.current)?.id ??
    '';
  for (const scope of ['metrics', 'read', 'query', 'operate']) {
    const { id, token } = await make(scope);
    t.same(
      body<Page<Token>>(await api('tokens?owner=otto', by(token))).items.map((i) => i.id),
      [id],
      `${scope}: the list`,
    );
    t.same(body<Page<unknown>>(await api('sessions?user=otto', by(token))).items, [], `${scope}: no sessions`);
    for (const path of [`tokens/${other.id}`, 'tokens/cli', `sessions/${own}`]) {
      t.equal((await api(path, { method: 'DELETE', ...by(token) })).status, 404, `${scope}: ${path}`);
    }
    t.equal((await api(`tokens/${other.id}`, by(token))).status, 404, `${scope}: the other one`);
    t.equal((await api(`tokens/${id}`, by(token))).status, 200, `${scope}: itself`);
    t.equal((await api(`tokens/${id}`, { method: 'DELETE', ...by(token) })).status, 204, `${scope}: it ends itself`);
    t.equal((await api('tokens', by(token))).status, 401);
  }
  const { token } = await make('admin');
  t.equal((await api(`tokens/${other.id}`, { method: 'DELETE', ...by(token) })).status, 204, "an administrator's");
  t.equal((await api(`sessions/${own}`, { method: 'DELETE', ...by(token) })).status, 204);
  t.equal((await api('users/otto', { method: 'DELETE', ...root })).status, 204);
});

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

t.test(
  'refused logins are in the audit log, with name and address, and look the same for who exists and who does not',
  async (t) => {
    const answers: Answer[] = [];
    for (const user of ['admin', 'nobody.of.that.name']) {
      answers.push(await api('login', { body: { user, password: 'wrong' } }));
    }
    t.same(
      answers.map((a) => a.status),
      [401, 401],
    );
    const [one, other] = answers.map((a) => body<Record<string, unknown>>(a));
    t.same({ ...one, requestId: '', instance: '' }, { ...other, requestId: '', instance: '' });
    for (const user of ['admin', 'nobody.of.that.name']) {
      const entry = await until(`the entry of ${user}`, async () =>
        body<Page<AuditEntry>>(await api(`audit?limit=500&resource=user/${user}`, root)).items.find(
          (e) => e.kind === 'login.failed',
        ),
      );
      t.match(entry, {
        actor: 'login/127.0.0.1',
        outcome: 'ok',
        changes: [{ resource: `user/${user}`, after: { failedLogins: 1, from: '127.0.0.1' } }],
      });
    }
    await api('login', { body: { user: 'admin', password: 'wrong' } });
    const watch = await watching(
      API_TOKEN,
      `topics=users,audit&since=${Number((await api('audit?limit=1', root)).headers['terrarium-seq'])}`,
    );
    await api('login', { body: { user: 'My Password 1', password: 'wrong' } });
    await until('the entry without a name', () =>
      watch.lines().some((l) => l.topic === 'audit' && JSON.stringify(l.item).includes('user/(no user name)'))
        ? true
        : undefined,
    );
    t.notOk(
      watch.lines().some((l) => l.topic === 'users'),
      'nobody has been changed',
    );
    watch.stop();
    t.notMatch((await api('audit?limit=500', root)).body, /My Password/);
    t.match(
      (await api('/metrics', root)).body,
      /terrarium_failed_logins_total\{recorded="yes"\} 3/,
      'the next one waits for its minute',
    );
  },
);

t.test('of fifty guesses at once few are looked at, and nobody else waits for them', async (t) => {
  const session = await person('greta', 'viewer');
  const guesses = Array.from({ length: 50 }, () => api('login', { body: { user: 'greta', password: 'wrong' } }));
  const changed = api('password', { ...by(session), body: { current: 'second of greta', password: 'third of greta' } });
  const statuses = (await Promise.all(guesses)).map((a) => a.status);
  t.same([...new Set(statuses)].sort(), [401, 429]);
  // More only where the fifty took seconds to come.
  const looked = statuses.filter((s) => s === 401).length;
  t.ok(looked >= 5 && looked < 25, `${looked} were looked at`);
  t.equal((await changed).status, 200, 'her session changes the password');
  t.equal((await login('admin', PASSWORD)).passwordChange, 'offered', 'another user logs in from there');
  t.equal(
    (
      await until('her own turn', async () => {
        const answer = await api('login', { body: { user: 'greta', password: 'third of greta' } });
        return answer.status === 429 ? undefined : answer;
      })
    ).status,
    200,
  );
});

t.test('a watch tells every change once, from where it was left, and ends with the session', async (t) => {
  const session = await person('wanda', 'admin');
  const from = Number((await api('users', root)).headers['terrarium-seq']);
  const watch = await watching(session, `topics=saved-queries,users&since=${from}`);
  await api('saved-queries/w', { method: 'PUT', ...root, body: { name: 'w', sql: 'select 1' } });
  await api('saved-queries/w', { method: 'PUT', ...root, body: { name: 'w', sql: 'select 2' } });
  await api('saved-queries/w', { method: 'DELETE', ...root });
  await until('three changes', () => (watch.lines().length >= 3 ? true : undefined), 3000);
  t.match(watch.lines(), [
    { topic: 'saved-queries', change: 'created', key: 'w' },
    { change: 'changed' },
    { change: 'deleted', item: null },
  ]);
  t.match(JSON.parse(/event: start\ndata: (.*)/.exec(watch.text())?.[1] ?? ''), {
    seq: from,
    version: Number,
    user: 'wanda',
    role: 'admin',
  });
  const again = await watching(session, 'topics=saved-queries', { 'last-event-id': String(watch.lines()[1]?.seq) });
  await until('the rest', () => (again.lines().length > 0 ? true : undefined), 3000);
  t.match(again.lines(), [{ change: 'deleted', key: 'w' }]);
  again.stop();
  const ahead = watching(session, 'topics=saved-queries', {
    'last-event-id': String(Number((await api('users', root)).headers['terrarium-seq']) + 1),
  });
  const early = await Promise.race([
    ahead.then(
      () => 'answered',
      (error: Error) => error.message,
    ),
    new Promise((resolve) => setTimeout(resolve, 200, 'it waits')),
  ]);
  t.equal(early, 'it waits', 'one that has seen on another instance what is not here yet');
  await api('saved-queries/ahead', { method: 'PUT', ...root, body: { name: 'ahead', sql: 'select 1' } });
  await api('saved-queries/ahead', { method: 'DELETE', ...root });
  await until('what came after', async () => ((await ahead).lines().length > 0 ? true : undefined));
  t.match((await ahead).lines(), [{ change: 'deleted', key: 'ahead' }]);
  (await ahead).stop();
  t.equal((await api(`watch?topics=users&since=${from + 100_000}`, by(session))).status, 410);
  t.equal((await api('watch?topics=users', by(await person('walt', 'viewer')))).status, 403);
  await api('users/wanda/sessions', { method: 'DELETE', ...root });
  await until(
    'its end',
    () => (watch.text().includes('event: end\ndata: {"reason":"session"}') ? true : undefined),
    3000,
  );
  t.pass();
});

t.test('a watch by an API token ends where the owner loses a right that it needs, and only there', async (t) => {
  const session = await person('anton', 'admin');
  const { token } = body<{ token: string }>(
    await api('tokens', { ...by(session), body: { name: 'all', scopes: ['read', 'admin'] } }),
  );
  const users = await watching(token, 'topics=users,saved-queries');
  const queries = await watching(token, 'topics=saved-queries');
  t.equal((await api('users/anton', { method: 'PATCH', ...root, body: { role: 'viewer' } })).status, 200);
  await until('its end', () => (users.text().includes('event: end\ndata: {"reason":"session"}') ? true : undefined));
  t.same(users.lines(), [], 'nothing more was told');
  await api('saved-queries/still', { method: 'PUT', ...root, body: { name: 'still', sql: 'select 1' } });
  await until('a change', () => (queries.lines().some((l) => l.key === 'still') ? true : undefined));
  t.notMatch(queries.text(), /event: end/);
  queries.stop();
});

t.test('a watch tells which tokens and sessions end with a user', async (t) => {
  const session = await person('emil', 'viewer');
  const { id } = body<Token>(await api('tokens', { ...by(session), body: { name: 'a', scopes: ['read'] } }));
  const {
    items: [own],
  } = body<Page<{ id: string }>>(await api('sessions', by(session)));
  const watch = await watching(API_TOKEN, 'topics=tokens,sessions');
  t.equal((await api('users/emil', { method: 'DELETE', ...root })).status, 204);
  await until('both', () => (watch.lines().length >= 2 ? true : undefined));
  t.match(watch.lines(), [
    { topic: 'tokens', change: 'deleted', key: id, item: null },
    { topic: 'sessions', change: 'deleted', key: own?.id, item: null },
  ]);
  watch.stop();
});

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
