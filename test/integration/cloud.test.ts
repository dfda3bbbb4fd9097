import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import t from 'tap';
import type { Overview } from '../../src/api/overview.ts';
import type { QueryLine } from '../../src/api/queries.ts';
import type { SatellitePage } from '../../src/api/satellites.ts';
import {
  API_TOKEN,
  PASSWORD,
  call,
  localClouds,
  open,
  until,
  type CallOptions,
  type LocalClouds,
  type LocalNode,
} from '../support/local-cloud.ts';

const nodes: LocalNode[] = ['n1', 'n2', 'n3.example'].map((name, i) => ({ name, address: `127.0.0.${i + 1}` }));
const [n1, n2, n3] = nodes as [LocalNode, LocalNode, LocalNode];
const processes = new Map<string, ChildProcess>();
const satellites: ChildProcess[] = [];
let clouds: LocalClouds;
const asToken: CallOptions = { headers: { authorization: `Bearer ${API_TOKEN}` } };

async function login(node: LocalNode): Promise<{ token: string; cookie: string }> {
  const answer = await call(clouds, node, '/api/v1/login', { body: { user: 'admin', password: PASSWORD } });
  if (answer.status !== 200) {
    throw new Error(`login: ${answer.status} ${answer.body}`);
  }
  const cookie = answer.headers['set-cookie']?.[0] ?? '';
  return { token: (JSON.parse(answer.body) as { token: string }).token, cookie };
}

async function overview(node: LocalNode): Promise<Overview> {
  return JSON.parse((await call(clouds, node, '/api/v1/overview', asToken)).body) as Overview;
}

async function query(node: LocalNode, body: unknown): Promise<QueryLine[]> {
  const answer = await call(clouds, node, '/api/v1/queries', { ...asToken, body });
  return answer.body
    .split('\n')
    .filter((l) => l !== '')
    .map((l) => JSON.parse(l) as QueryLine);
}

t.before(async () => {
  clouds = await localClouds(nodes);
  await Promise.all(nodes.map(async (n) => processes.set(n.name, await clouds.start(n))));
  for (const n of nodes) {
    satellites.push(spawn(process.execPath, ['src/main.ts', 'satellite'], { env: clouds.env(n), stdio: 'ignore' }));
  }
});

t.teardown(async () => {
  await Promise.all(
    satellites.map((s) => {
      const gone = s.exitCode !== null || s.signalCode !== null ? undefined : once(s, 'exit');
      s.kill('SIGKILL');
      return gone;
    }),
  );
  await clouds.stop();
});

t.test('health and readiness are open to all; everything else is not', async (t) => {
  t.equal((await call(clouds, n1, '/healthz')).status, 200);
  t.equal((await call(clouds, n1, '/readyz')).status, 200);
  for (const path of ['/api/v1/overview', '/api/v1/watch']) {
    t.equal((await call(clouds, n1, path)).status, 401, path);
  }
  for (const path of ['/api/v1/queries', '/api/v1/logout']) {
    t.equal((await call(clouds, n1, path, { body: {} })).status, 401, path);
  }
  t.same(JSON.parse((await call(clouds, n1, '/api/v1/session')).body), { user: null });
});

t.test('errors are problems, and every answer carries the security headers', async (t) => {
  const cases: [string, CallOptions, number, string][] = [
    ['/nothing', {}, 404, 'not-found'],
    ['/api/v1/login', {}, 405, 'method-not-allowed'],
    ['/api/v1/login', { method: 'POST' }, 415, 'not-json'],
    ['/api/v1/login', { body: { user: 'admin' } }, 400, 'invalid-body'],
    ['/api/v1/login', { body: { user: 'admin', password: 'x', more: 1 } }, 400, 'invalid-body'],
    ['/api/v1/login', { body: { user: 'admin', password: 'x'.repeat(1_100_000) } }, 413, 'too-large'],
    ['/api/v1/login', { body: { user: 'admin', password: 'wrong' } }, 401, 'wrong-password'],
    ['/api/v1/login', { body: { user: 'root', password: PASSWORD } }, 401, 'wrong-password'],
    ['/api/v1/queries', { ...asToken, body: { sql: '' } }, 400, 'invalid-body'],
    ['/api/v1/overview', { headers: { authorization: 'Bearer trr_wrong' } }, 401, 'unauthorized'],
    ['/api/v1/overview', { headers: { authorization: 'Bearer trs_e30.AAAA' } }, 401, 'unauthorized'],
  ];
  for (const [path, options, status, code] of cases) {
    const answer = await call(clouds, n1, path, options);
    t.equal(answer.status, status, `${path} ${code}`);
    t.match(answer.headers['content-type'], 'application/problem+json');
    t.match(JSON.parse(answer.body), { type: `urn:terrarium:problem:${code}`, status });
    t.match(answer.headers, {
      'content-security-policy': /default-src 'none'/,
      'strict-transport-security': /max-age/,
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
    });
  }
});

t.test('a session of one instance is valid on all, and a logout ends it on all', async (t) => {
  const { token, cookie } = await login(n1);
  t.match(cookie, /^__Host-terrarium=trs_.*path=\/.*samesite=strict.*secure.*httponly/);
  const bearer = { headers: { authorization: `Bearer ${token}` } };
  for (const n of nodes) {
    t.equal((await call(clouds, n, '/api/v1/overview', bearer)).status, 200, n.name);
  }
  const byCookie = { headers: { cookie: cookie.split(';')[0] ?? '' } };
  t.equal((await call(clouds, n2, '/api/v1/overview', byCookie)).status, 200);
  t.equal(
    (await call(clouds, n2, '/api/v1/logout', { ...byCookie, body: {} })).status,
    403,
    'a foreign page cannot send the header',
  );
  t.equal(
    (
      await call(clouds, n2, '/api/v1/logout', {
        headers: { ...byCookie.headers, 'x-terrarium-client': 'test' },
        body: {},
      })
    ).status,
    204,
  );
  for (const n of nodes) {
    await until(
      `the end of the session on ${n.name}`,
      async () => ((await call(clouds, n, '/api/v1/overview', bearer)).status === 401 ? true : undefined),
      3000,
    );
  }
});

t.test('what was written on one instance is read on the others from its position on', async (t) => {
  for (let n = 0; n < 20; n += 1) {
    const [writer, reader] = [nodes[n % 3] ?? n1, nodes[(n + 1) % 3] ?? n2];
    const written = await call(clouds, writer, '/api/v1/saved-queries/rw', {
      ...asToken,
      method: 'PUT',
      body: { name: `n${n}`, sql: 'select 1' },
    });
    t.equal(written.status, 200, written.body);
    const read = await call(clouds, reader, '/api/v1/saved-queries/rw', {
      headers: { ...asToken.headers, 'terrarium-min-seq': String(written.headers['terrarium-seq']) },
    });
    t.equal((JSON.parse(read.body) as { name: string }).name, `n${n}`);
  }
});

t.test('all instances show all instances and all satellites', async (t) => {
  for (const n of nodes) {
    const seen = await until(
      `a whole overview on ${n.name}`,
      async () => {
        const o = await overview(n);
        return o.clouds.filter((c) => c.state === 'healthy').length === 3 &&
          o.clouds.some((c) => c.nats.role === 'leader') &&
          o.satellites.counts.healthy === 3
          ? o
          : undefined;
      },
      30_000,
    );
    t.same(
      seen.clouds.map((c) => c.name),
      nodes.map((x) => x.name),
    );
    t.equal(seen.clouds.filter((c) => c.nats.role === 'leader').length, 1);
    t.same(seen.satellites.concerns, []);
    t.same(seen.satellites.missing, []);
    const list = JSON.parse((await call(clouds, n, '/api/v1/satellites', asToken)).body) as SatellitePage;
    t.equal(list.matched, 3);
    t.ok(list.items.every((s) => s.tables.some((table) => table.name === 'processes')));
    t.match(seen.kubernetes, { reachable: false, error: /./ }, 'and say that Kubernetes is not there');
  }
});

t.test('a query over all satellites, from an instance that none of them may be connected to', async (t) => {
  const lines = await query(n2, { sql: 'select name, pid from processes where pid = 1' });
  const rows = lines.filter((l) => 'rows' in l && 'seq' in l);
  t.equal(rows.length, 3);
  const comm = readFileSync('/proc/1/comm', 'utf8').trim();
  for (const line of rows) {
    t.match(line, { columns: ['name', 'pid'], rows: [[comm, 1]] });
  }
  t.match(lines.at(-1), { done: true, rows: 3, satellites: { n1: 'rows', n2: 'rows', 'n3.example': 'rows' } });
});

t.test('a watch tells of a change without being asked', async (t) => {
  const stream = await open(clouds, n1, '/api/v1/watch', asToken);
  t.match(stream.headers['content-type'], 'text/event-stream');
  let text = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => (text += chunk));
  stream.on('error', () => undefined);
  const events = (): Overview[] =>
    text
      .split('\n\n')
      .filter((e) => e.startsWith('event: overview\ndata: '))
      .map((e) => JSON.parse(e.slice('event: overview\ndata: '.length)) as Overview);
  await until('the first event', () => (events().length > 0 ? true : undefined), 3000);
  const seen = events().length;
  t.equal(
    (await call(clouds, n2, '/api/v1/satellites/n2', { ...asToken, method: 'PATCH', body: { tags: { room: '7' } } }))
      .status,
    200,
  );
  await until('another, by the change on another instance', () => (events().length > seen ? true : undefined), 8000);
  stream.destroy();
});

t.test('an instance that dies with its bus is shown so, and the others go on', { timeout: 300_000 }, async (t) => {
  const cloud = processes.get(n3.name);
  if (cloud?.pid === undefined) {
    throw new Error('no process');
  }
  const children = readFileSync(`/proc/${cloud.pid}/task/${cloud.pid}/children`, 'utf8').trim().split(' ').map(Number);
  t.equal(children.length, 1, 'nats-server is its child');
  cloud.kill('SIGKILL');
  for (const child of children) {
    process.kill(child, 'SIGKILL');
  }
  satellites[2]?.kill('SIGKILL');
  const seen = await until(
    'the loss to be shown',
    async () => {
      const o = await overview(n1);
      return o.clouds.find((c) => c.name === n3.name)?.state === 'unreachable' ? o : undefined;
    },
    12_000,
  );
  t.match(
    seen.clouds.find((c) => c.name === n3.name),
    { ready: false, reason: /Not heard of/ },
  );
  await login(n2);
  const lines = await query(n1, { sql: 'select pid from processes limit 1' });
  t.match(lines.at(-1), { done: true, satellites: { n1: 'rows', n2: 'rows', 'n3.example': 'lost' } });
  await until(
    'a new leader of the bus',
    async () => {
      const o = await overview(n1);
      return o.clouds.some((c) => c.state === 'healthy' && c.nats.role === 'leader') ? true : undefined;
    },
    20_000,
  );
  processes.set(n3.name, await clouds.start(n3));
  await until(
    'its return',
    async () => ((await overview(n1)).clouds.find((c) => c.name === n3.name)?.state === 'healthy' ? true : undefined),
    20_000,
  );
});

t.test(
  'the leader of the bus freezes without a word, as in a power cut: the others take over within 30 s',
  { timeout: 300_000 },
  async (t) => {
    const leader = (await overview(n1)).clouds.find((c) => c.nats.role === 'leader')?.name ?? '';
    const other = nodes.find((n) => n.name !== leader) ?? n1;
    const pid = processes.get(leader)?.pid ?? 0;
    const frozen = [pid, ...readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number)];
    for (const p of frozen) {
      process.kill(p, 'SIGSTOP');
    }
    try {
      await until(
        'the loss to be shown and a new leader',
        async () => {
          const o = await overview(other);
          return o.clouds.find((c) => c.name === leader)?.state === 'unreachable' &&
            o.clouds.some((c) => c.state === 'healthy' && c.nats.role === 'leader')
            ? true
            : undefined;
        },
        30_000,
      );
      await login(other);
      await until(
        'both satellites to answer',
        async () => {
          const end = (await query(other, { sql: 'select pid from processes limit 1', satellites: ['n1', 'n2'] })).at(
            -1,
          );
          return end !== undefined && 'done' in end && Object.values(end.satellites).every((s) => s === 'rows')
            ? true
            : undefined;
        },
        25_000,
      );
    } finally {
      for (const p of frozen) {
        process.kill(p, 'SIGCONT');
      }
    }
    await until(
      'its return',
      async () => ((await overview(other)).clouds.every((c) => c.state === 'healthy') ? true : undefined),
      20_000,
    );
    t.pass();
  },
);

t.test('after five wrong passwords the next has to wait', async (t) => {
  const attempt = (): Promise<number> =>
    call(clouds, n3, '/api/v1/login', { body: { user: 'admin', password: 'wrong' } }).then((a) => a.status);
  const seen: number[] = [];
  // Where one takes longer than it has to wait, there may be more of them.
  while (seen.at(-1) !== 429 && seen.length < 12) {
    seen.push(await attempt());
  }
  t.same(seen.slice(0, 5), [401, 401, 401, 401, 401]);
  t.equal(seen.at(-1), 429, seen.join());
  const answer = await call(clouds, n3, '/api/v1/login', { body: { user: 'admin', password: PASSWORD } });
  t.ok(answer.status === 200 || Number(answer.headers['retry-after']) <= 60);
});

t.test('SIGTERM ends an instance politely, its nats-server too', async (t) => {
  const cloud = processes.get(n2.name);
  const children = readFileSync(`/proc/${cloud?.pid}/task/${cloud?.pid}/children`, 'utf8')
    .trim()
    .split(' ')
    .map(Number);
  const began = Date.now();
  cloud?.kill('SIGTERM');
  const [code] = (await once(cloud ?? process, 'exit')) as [number];
  t.equal(code, 0);
  t.ok(Date.now() - began < 25_000, 'within the time that Kubernetes gives');
  for (const child of children) {
    t.throws(() => process.kill(child, 0), { code: 'ESRCH' });
  }
});
