import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import t from 'tap';
import type { QueryLine, StreamLine } from '../../src/api/queries.ts';
import { API_TOKEN, PASSWORD, call, localClouds, until, type LocalClouds } from '../support/local-cloud.ts';
import { querySocket } from '../support/query-socket.ts';

/** Queries over the WebSocket: one cloud, one real satellite. */
const node = { name: 'n1', address: '127.0.0.1' };
const token = { authorization: `Bearer ${API_TOKEN}` };
let clouds: LocalClouds;
let satellite: ChildProcess;

t.before(async () => {
  clouds = await localClouds([node]);
  await clouds.start(node);
  satellite = spawn(process.execPath, ['src/main.ts', 'satellite'], { env: clouds.env(node), stdio: 'ignore' });
  await until(
    'the satellite',
    async () =>
      (await call(clouds, node, '/api/v1/satellites/n1', { headers: token })).status === 200 ? true : undefined,
    30_000,
  );
});
t.teardown(async () => {
  satellite.kill('SIGTERM');
  await once(satellite, 'exit');
  await clouds.stop();
});

const rows = (lines: QueryLine[]): unknown[] => lines.flatMap((l) => ('seq' in l && 'rows' in l ? l.rows : []));
const ENDLESS = 'with recursive c(x) as (select 1 union all select x + 1 from c)';
const activeQueries = async (): Promise<number> =>
  Number(/^terrarium_queries\S* (\d+)$/m.exec((await call(clouds, node, '/metrics', { headers: token })).body)?.[1]);

t.test('rows come as over HTTP, many queries at once on one connection', async (t) => {
  const socket = await querySocket(clouds, node, token);
  const lines = await socket.ask({ sql: 'select 6 * 7 as answer' });
  t.match(lines, [
    { sat: 'n1', seq: 0, columns: ['answer'], rows: [[42]] },
    { sat: 'n1', end: { rows: 1 } },
    { done: true, satellites: { n1: 'rows' }, rows: 1 },
  ]);
  const all = await Promise.all(
    Array.from({ length: 8 }, (_, i) => socket.ask({ sql: `select ${i}`, satellites: ['n1'] })),
  );
  t.same(
    all.map(rows),
    Array.from({ length: 8 }, (_, i) => [[i]]),
  );
  await socket.close();
});

t.test('what is wrong with a query is a problem of that query; the connection goes on', async (t) => {
  const socket = await querySocket(clouds, node, token);
  await t.rejects(socket.ask({ sql: '' }), /invalid-body/);
  await t.rejects(socket.ask({ sql: 'select 1', more: 1 } as never), /invalid-body/);
  t.match((await socket.ask({ sql: 'select 1', satellites: ['nobody'] })).at(-1), {
    done: true,
    satellites: { nobody: 'error' },
  });
  const said = new Promise<StreamLine>((resolve) =>
    socket.ws.on('message', (data) => {
      const line = JSON.parse(String(data)) as StreamLine;
      if ('problem' in line) {
        resolve(line);
      }
    }),
  );
  socket.say({ id: 'twice', query: { sql: `${ENDLESS} select max(x) from c` } });
  socket.say({ id: 'twice', query: { sql: 'select 1' } });
  t.match(await said, { id: 'twice', problem: { status: 409 } });
  t.same(rows(await socket.ask({ sql: 'select 7' })), [[7]]);
  await socket.close();
});

t.test('a cancelled query ends at the satellite, and so do those of a connection that goes', async () => {
  const socket = await querySocket(clouds, node, token);
  socket.say({ id: 'a', query: { sql: `${ENDLESS} select max(x) from c`, timeoutMs: 60_000 } });
  socket.say({ id: 'b', query: { sql: `${ENDLESS} select max(x) from c`, timeoutMs: 60_000 } });
  await until('two queries', async () => ((await activeQueries()) === 2 ? true : undefined));
  socket.say({ id: 'a', cancel: true });
  await until('one query', async () => ((await activeQueries()) === 1 ? true : undefined));
  socket.ws.terminate();
  await until('no query', async () => ((await activeQueries()) === 0 ? true : undefined));
});

t.test('a ping comes back from the satellite', async (t) => {
  const socket = await querySocket(clouds, node, token);
  for (const data of ['hello!', '', 'ü'.repeat(256)]) {
    t.ok((await socket.ping('n1', data)) > 0, data.slice(0, 10));
  }
  await t.rejects(socket.ping('nobody', 'hello!'), /not-found/);
  const all = await Promise.all(Array.from({ length: 100 }, (_, i) => socket.ping('n1', `ping ${i}`)));
  t.equal(all.length, 100);
  await socket.close();
});

t.test('what is no request closes the connection', async (t) => {
  for (const nonsense of [
    '',
    '{',
    '[]',
    '{"id":"a"}',
    '{"id":"","cancel":true}',
    '{"id":"a","cancel":false}',
    '{"id":"a","query":{},"more":1}',
    'null',
    '{"id":"a","ping":{"satellite":"n1"}}',
    `{"id":"a","ping":{"satellite":"n1","data":"${'x'.repeat(257)}"}}`,
    '['.repeat(100_000),
    `{"id":"a","query":${'['.repeat(65)}${']'.repeat(65)}}`,
    Buffer.from([1, 2]),
  ]) {
    const socket = await querySocket(clouds, node, token);
    const closed = once(socket.ws, 'close');
    socket.ws.send(nonsense);
    t.equal((await closed)[0], 1008, String(nonsense).slice(0, 40));
  }
  const socket = await querySocket(clouds, node, token);
  const closed = once(socket.ws, 'close');
  socket.ws.send('x'.repeat(1024 * 1024 + 1));
  t.equal((await closed)[0], 1009);
});

t.test('who may open it: by a token, or by the cookie from a page of ours', async (t) => {
  const login = await call(clouds, node, '/api/v1/login', { body: { user: 'admin', password: PASSWORD } });
  const cookie = (login.headers['set-cookie']?.[0] ?? '').split(';')[0] ?? '';
  const own = `https://${node.address}:${clouds.ports.console}`;
  const refused: [string, Record<string, string>, number][] = [
    ['nobody', {}, 403],
    ['nobody, from our page', { origin: own }, 401],
    ['a wrong token', { authorization: 'Bearer trr_wrong' }, 401],
    ['a token, from a foreign page', { ...token, origin: 'https://evil.example' }, 403],
    ['the cookie, from a foreign page', { cookie, origin: 'https://evil.example' }, 403],
    ['the cookie, from our host without TLS', { cookie, origin: own.replace('https', 'http') }, 403],
    ['the cookie, from nowhere', { cookie }, 403],
    ['the cookie, from null', { cookie, origin: 'null' }, 403],
  ];
  for (const [who, headers, status] of refused) {
    await t.rejects(querySocket(clouds, node, headers), new RegExp(`Unexpected server response: ${status}`), who);
  }
  const created = await call(clouds, node, '/api/v1/users', {
    headers: token,
    body: { name: 'looker', role: 'viewer', password: PASSWORD, mustChangePassword: false },
  });
  t.equal(created.status, 201, created.body);
  const viewer = JSON.parse(
    (await call(clouds, node, '/api/v1/login', { body: { user: 'looker', password: PASSWORD } })).body,
  ) as { token: string };
  await t.rejects(
    querySocket(clouds, node, { authorization: `Bearer ${viewer.token}` }),
    /403/,
    'a viewer may not query',
  );

  const socket = await querySocket(clouds, node, { cookie, origin: own });
  t.same(rows(await socket.ask({ sql: 'select 1' })), [[1]]);
  const closed = once(socket.ws, 'close');
  t.equal(
    (await call(clouds, node, '/api/v1/logout', { method: 'POST', headers: { cookie, 'x-terrarium-client': 'test' } }))
      .status,
    204,
  );
  t.same((await closed).map(String), ['1008', 'session'], 'it does not outlive the session');
});

t.test('elsewhere there is no WebSocket, and here nothing else', async (t) => {
  const answer = await call(clouds, node, '/api/v1/queries/stream', { headers: token });
  t.equal(answer.status, 404);
  for (const path of ['/', '/api/v1/queries', '/api/v1/watch', '/constructor']) {
    t.equal(
      (await call(clouds, node, path, { headers: { ...token, connection: 'upgrade', upgrade: 'websocket' } })).status,
      404,
      path,
    );
  }
  t.equal(
    (
      await call(clouds, node, '/api/v1/queries/stream', {
        headers: { ...token, connection: 'upgrade', upgrade: 'h2c' },
      })
    ).status,
    426,
  );
});

t.test('a ping of a satellite that is gone says so', async (t) => {
  const socket = await querySocket(clouds, node, token);
  satellite.kill('SIGSTOP');
  await t.rejects(socket.ping('n1', 'hello!'), /satellite-lost.*has not answered/);
  satellite.kill('SIGCONT');
  await until(
    'an answer',
    () =>
      socket.ping('n1', 'hello!').then(
        () => true as const,
        () => undefined,
      ),
    30_000,
  );
  await socket.close();
});

t.test(
  'a connection with more than 200 requests that are not answered yet is closed, however many were before',
  async (t) => {
    const socket = await querySocket(clouds, node, token);
    for (let round = 0; round < 3; round += 1) {
      await Promise.all(Array.from({ length: 100 }, (_, i) => socket.ping('n1', String(i))));
    }
    satellite.kill('SIGSTOP');
    const closed = once(socket.ws, 'close');
    for (let i = 0; i < 200; i += 1) {
      socket.say({ id: `p${i}`, ping: { satellite: 'n1', data: 'hello!' } });
    }
    await t.rejects(socket.ask({ sql: '' }), /too many requests/);
    t.same((await closed).map(String), ['1008', 'too many requests']);
    satellite.kill('SIGCONT');
  },
);

t.test('it says goodbye when the instance stops', async (t) => {
  const socket = await querySocket(clouds, node, token);
  const closed = once(socket.ws, 'close');
  await clouds.halt();
  t.equal((await closed)[0], 1001);
});
