import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import t from 'tap';
import { parse } from 'yaml';
import { saveContext } from '../../src/context/context.ts';
import { createRequest } from '../../src/pki/authority.ts';
import { API_TOKEN, call, localClouds, until, type Answer, type LocalClouds } from '../support/local-cloud.ts';
import { pattern } from './support/pattern.ts';

/** `get`, `describe` and `delete` against real clouds, one of which is not there. */
const nodes = ['n1', 'n2', 'n3'].map((name, i) => ({ name, address: `127.0.0.${i + 1}` }));
const n1 = nodes[0] as (typeof nodes)[0];
let clouds: LocalClouds;
let env: NodeJS.ProcessEnv;
let second: ChildProcess;

interface Running {
  child: ChildProcess;
  out: () => string;
  result: Promise<{ code: number | null; stdout: string; stderr: string }>;
}

function start(...args: string[]): Running {
  const child = spawn(process.execPath, ['src/main.ts', ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const said = { stdout: '', stderr: '' };
  child.stdout?.on('data', (chunk: Buffer) => (said.stdout += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (said.stderr += chunk.toString()));
  return {
    child,
    out: () => said.stdout,
    result: once(child, 'close').then(([code]) => ({ ...said, code: code as number | null })),
  };
}
const run = (...args: string[]): Running['result'] => start(...args).result;
const api = (path: string, body: unknown, method = 'POST'): Promise<Answer> =>
  call(clouds, n1, `/api/v1/${path}`, { method, body, headers: { authorization: `Bearer ${API_TOKEN}` } });

t.before(async () => {
  clouds = await localClouds(nodes);
  env = { PATH: process.env['PATH'], HOME: t.testdir(), NODE_NO_WARNINGS: '1' };
  saveContext(env, {
    name: 'test',
    clusterId: 'c0ffee',
    // The third, which comes first here, is not there: the command line has to find another one.
    controlPlanes: nodes.toReversed(),
    ports: { api: clouds.ports.api, console: clouds.ports.console },
    ca: clouds.files.authority.cert,
    caFingerprint: 'sha256:00',
    token: API_TOKEN,
    kubeconfig: { ca: clouds.files.authority.cert, clientCertificate: '', clientKey: '' },
  });
  const processes = await Promise.all(nodes.map((n) => clouds.start(n)));
  second = processes[1] as ChildProcess;
  processes[2]?.kill('SIGTERM');
  await once(processes[2] as ChildProcess, 'exit');
  for (const name of ['eva', 'max', 'tom']) {
    t.equal((await api('users', { name, role: 'viewer', password: 'a long password' })).status, 201);
  }
  // The command line asks another one than these changes, which heard of them by way of the server that has just ended.
  await until('the second to know them', async () =>
    (await run('get', 'users', '-o', 'name')).stdout.includes('users/tom') ? true : undefined,
  );
});
t.teardown(() => clouds.stop());

t.test('get: all, some, in every format, and what is not there by its exit code', async (t) => {
  const table = await run('get', 'users');
  t.equal(table.code, 0, table.stderr);
  t.match(table.stdout, /^NAME +ROLE +DISABLED +CREATED\nadmin +admin +no .*\neva +viewer/);
  t.match(JSON.parse((await run('get', 'user', 'eva', '-o', 'json')).stdout), { name: 'eva', role: 'viewer' });
  t.match(parse((await run('get', 'users', '-o', 'yaml')).stdout), {
    items: [{ name: 'admin' }, { name: 'eva' }, { name: 'max' }, { name: 'tom' }],
  });
  t.equal((await run('get', 'users', '-o', 'name', '--limit', '2')).stdout, 'users/admin\nusers/eva\n');
  t.match((await run('get', 'tokens', '-o', 'wide')).stdout, /cli +terrarium command line +admin +read,query/);
  t.match(await run('get', 'users', 'nobody'), { code: 1, stdout: '', stderr: /no user nobody/ });
  t.match(await run('get', 'users', 'eva', 'nobody', '-o', 'name'), {
    code: 3,
    stdout: 'users/eva\n',
    stderr: /no user nobody/,
  });
  t.match(await run('get', 'cats'), { code: 2, stderr: /no kind cats.*users/ });
  t.match(await run('get', 'users', '-o', 'xml'), { code: 2 });
  for (const kind of [
    'nodes',
    'pods',
    'clouds',
    'satellites',
    'applications',
    'sessions',
    'queries',
    'schedules',
    'audit',
  ]) {
    t.match(await run('get', kind), { code: 0, stderr: '' }, kind);
  }
});

t.test('describe: all fields and the last changes', async (t) => {
  await api('users/eva', { role: 'operator' }, 'PATCH');
  const { code, stdout } = await run('describe', 'user', 'eva');
  t.equal(code, 0);
  t.match(stdout, /^users\/eva\n {2}name: eva\n {2}role: operator\n/);
  t.match(stdout, /token\/cli +user.update +ok +role: viewer → operator/);
  t.match(JSON.parse((await run('describe', 'user', 'eva', '-o', 'json')).stdout), {
    item: { name: 'eva' },
    changes: [{ kind: 'user.update' }, { kind: 'user.create' }],
  });
  t.match(parse((await run('describe', 'users', 'eva', 'max', '-o', 'yaml')).stdout), {
    items: [{ item: { name: 'eva' } }, { item: { name: 'max' } }],
  });
  t.match(await run('describe', 'users', 'eva', 'nobody', '-o', 'name'), {
    code: 3,
    stdout: 'users/eva\n',
    stderr: /no user nobody/,
  });
  t.match(await run('describe', 'user', 'eva', '-o', 'wide'), { code: 2 });
});

t.test('get --watch goes on over another control plane when its own dies', { timeout: 300_000 }, async (t) => {
  t.equal((await api('saved-queries/zero', { name: 'zero', sql: 'select 0' }, 'PUT')).status, 200);
  const watching = start('get', 'queries', '--watch', '-o', 'json');
  // A watch that was opened before the change and one after it see the same.
  await until('what there is', () => (watching.out().includes('"key":"zero"') ? true : undefined));
  t.equal((await api('saved-queries/one', { name: 'one', sql: 'select 1' }, 'PUT')).status, 200);
  await until('the first change', () => (watching.out().includes('"key":"one"') ? true : undefined), 10_000);
  t.match(JSON.parse(watching.out().split('\n')[1] ?? ''), {
    change: 'created',
    key: 'one',
    item: { sql: 'select 1' },
  });
  await clouds.start(nodes[2] as (typeof nodes)[0]);
  second.kill('SIGTERM');
  await once(second, 'exit');
  t.equal((await api('saved-queries/two', { name: 'two', sql: 'select 2' }, 'PUT')).status, 200);
  await until('the change after it', () => (watching.out().includes('"key":"two"') ? true : undefined), 15_000);
  watching.child.kill('SIGINT');
  const { code, stdout } = await watching.result;
  t.equal(code, 130);
  t.same(
    stdout
      .trimEnd()
      .split('\n')
      .map((l) => (JSON.parse(l) as { key: string }).key),
    ['zero', 'one', 'two'],
    'each once',
  );
});

t.test('delete: what there is, with a version, and in part', async (t) => {
  const { version } = JSON.parse((await run('get', 'user', 'max', '-o', 'json')).stdout) as { version: number };
  t.match(await run('delete', 'user', 'max', '--expect', String(version - 1)), { code: 1, stderr: /has version/ });
  t.match(await run('delete', 'user', 'max', '--expect', String(version)), { code: 0, stdout: 'users/max deleted\n' });
  t.match(await run('delete', 'users', 'max', 'tom', '-o', 'name'), {
    code: 3,
    stdout: 'users/tom\n',
    stderr: /no user max/,
  });
  t.match(await run('delete', 'users', 'max'), { code: 1 });
  t.match(await run('delete', 'user', 'admin'), { code: 1, stderr: /no user who is an administrator/ });
  t.match(await run('delete', 'pods', 'x'), { code: 2 });
});

t.test('users and tokens are made, their secrets shown once', async (t) => {
  const made = await run('user', 'create', 'ola', '--role', 'operator');
  t.match(made, { code: 0, stdout: /^[A-Za-z0-9_-]{20}\n$/ }, made.stderr);
  t.equal(
    (await call(clouds, n1, '/api/v1/login', { body: { user: 'ola', password: made.stdout.trim() } })).status,
    200,
  );
  t.match(await run('get', 'user', 'ola', '-o', 'json'), {
    stdout: /"role": "operator"[^]*"mustChangePassword": true/,
  });
  t.match(await run('user', 'create', 'ola'), { code: 1, stdout: '', stderr: /There is a user ola already/ });
  const file = `${t.testdir()}/password`;
  writeFileSync(file, 'given, with spaces\n');
  t.match(await run('user', 'create', 'kim', '--password-file', file), { code: 0, stdout: 'users/kim created\n' });
  t.equal(
    (await call(clouds, n1, '/api/v1/login', { body: { user: 'kim', password: 'given, with spaces' } })).status,
    200,
  );
  const token = await run('api-token', 'create', 'for a test', '--scope', 'read');
  t.match(token, { code: 0, stdout: /^trr_\S+\n$/ }, token.stderr);
  const by = (method: string, path: string, body?: unknown): Promise<Answer> =>
    call(clouds, n1, `/api/v1/${path}`, {
      method,
      headers: { authorization: `Bearer ${token.stdout.trim()}` },
      ...(body === undefined ? {} : { body }),
    });
  t.equal((await by('GET', 'overview')).status, 200);
  t.equal((await by('POST', 'enrolment-tokens', {})).status, 403);
  t.match(await run('api-token', 'create', 'x', '--scope', 'everything'), { code: 2, stderr: /no right everything/ });
});

t.test('satellites: names, tags, history, revocation', async (t) => {
  const enrolment = JSON.parse((await api('enrolment-tokens', { tags: { site: 'far' } })).body) as { token: string };
  const { csr } = await createRequest('x');
  t.equal((await api('enrol', { token: enrolment.token, id: 'far', request: csr })).status, 200);
  t.match(await run('satellite', 'rename', 'far', 'The far one'), { code: 0, stdout: 'satellites/far renamed\n' });
  t.match(await run('satellite', 'tag', 'far', 'room=7', 'rack=a=b', 'site-'), { code: 0 });
  t.match(
    (await run('get', 'satellites')).stdout,
    /^ID +NAME +STATE +TAGS +.*\nfar +The far one +enrolled +rack=a=b,room=7 +/,
  );
  t.match(await run('satellite', 'tag', 'far', 'site-'), { code: 2, stderr: /far has no tag site/ });
  t.match(await run('satellite', 'tag', 'far', 'nothing'), { code: 2, stderr: /nothing is no tag/ });
  t.equal((await run('get', 'satellites', '--tag', 'room=7', '-o', 'name')).stdout, 'satellites/far\n');
  t.equal((await run('get', 'satellites', '--tag', 'room=8', '-o', 'name')).stdout, '');
  t.match(await run('query', '--tag', 'room=7', 'select 1'), {
    code: 1,
    stderr: /No satellite that is heard has the tag room=7/,
  });
  t.match(await run('satellite', 'revoke', 'far', '--reason', 'stolen'), {
    code: 0,
    stdout: 'satellites/far revoked\n',
  });
  t.match(
    (await run('satellite', 'history', 'far')).stdout,
    /^TIME +STATE +BY +WHY\n\S+Z +revoked +token\/cli +stolen\n\S+Z +enrolled +enrolment\/\S+ +enrolled\n$/,
  );
  t.match(
    (await run('describe', 'satellite', 'far')).stdout,
    pattern(
      /Last changes\n.*\n.* satellite\.revoke +ok +state: enrolled → revoked\n/,
      /(.*\n)* .* satellite\.update +ok +name: far → The far one\n/,
      /.* satellite\.enrol +ok +created/,
    ),
  );
  t.match(await run('satellite', 'history', 'nobody'), { code: 1, stderr: /no satellite nobody/ });
  t.match(await run('delete', 'satellites', 'far'), { code: 0, stdout: 'satellites/far deleted\n' });
  const manifest = await run('satellite', 'manifest', 'other', '--tag', 'kind=cluster', '--namespace', 'x');
  t.match(manifest, { code: 0, stdout: /kind: Deployment/ }, manifest.stderr);
  const command = await run('satellite', 'token');
  t.match(
    command.stdout,
    pattern(
      /^echo tre_\S+ \| sudo terrarium satellite install /,
      /127\.0\.0\.1:\d+,127\.0\.0\.2:\d+,127\.0\.0\.3:\d+ --ca-hash sha256:[0-9a-f]{64}\n$/,
    ),
    command.stderr,
  );
});

t.test('enrolment tokens are listed, watched and ended', async (t) => {
  const watching = start('get', 'enrolment-tokens', '--watch', '-o', 'json');
  await until('what there is', () => (watching.out().includes('"present"') ? true : undefined), 15_000);
  const { id, token } = JSON.parse((await api('enrolment-tokens', { tags: { site: 'leaked' } })).body) as {
    id: string;
    token: string;
  };
  t.match(
    (await run('get', 'enrolment-tokens')).stdout,
    new RegExp(`^ID +USES LEFT +ENDS +BY +TAGS\\n(.*\\n)*${id} +1 +in .* +token/cli +site=leaked\\n`),
  );
  t.match(await run('describe', 'enrolment-token', id), {
    code: 0,
    stdout: new RegExp(`^enrolment-tokens/${id}\\n[^]*Last changes\\n[^]* enrolment\\.create +ok +created`),
  });
  const { csr } = await createRequest('x');
  t.equal((await api('enrol', { token, id: 'spender', request: csr })).status, 200);
  t.match(await run('delete', 'enrolment-tokens', id), { code: 0, stdout: `enrolment-tokens/${id} deleted\n` });
  t.match(await run('get', 'enrolment-tokens', id), { code: 1, stderr: new RegExp(id) });
  const seen = (): { change: string; key: string; item: { usesLeft: number } | null }[] =>
    watching
      .out()
      .trimEnd()
      .split('\n')
      .map((l) => JSON.parse(l) as ReturnType<typeof seen>[number])
      .filter((l) => l.key === id);
  await until('its end', () => (watching.out().includes('"deleted"') ? true : undefined), 15_000);
  watching.child.kill('SIGINT');
  await watching.result;
  t.match(seen(), [{ change: 'created' }, { change: 'changed' }, { change: 'deleted', item: null }]);
  t.equal((await run('get', 'enrolment-tokens', '-o', 'name')).stdout.includes(id), false);
});

t.test('a saved query is run by its id', async (t) => {
  t.equal((await api('saved-queries/mine', { name: 'Mine', sql: 'select 1 as one' }, 'PUT')).status, 200);
  t.match(await run('query', '--saved', 'mine', '--tag', 'no=such'), {
    code: 1,
    stderr: /No satellite that is heard has the tag/,
  });
  t.match(await run('query', '--saved', 'nothing'), { code: 1, stderr: /There is no saved query nothing/ });
  t.match(await run('query', '--saved', 'mine', 'select 1'), { code: 2, stderr: /either a statement or --saved/ });
  t.match(await run('query'), { code: 2, stderr: /either a statement or --saved/ });
});

t.test('with no cloud left the exit code is 5', async (t) => {
  await clouds.halt();
  t.match(await run('get', 'users'), { code: 5, stderr: /n1.*n2|n2.*n1/s });
});
