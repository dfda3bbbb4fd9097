import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type Server } from 'node:https';
import { connect as netConnect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import t from 'tap';
import { credentialRequest } from '../../installer/node/credentials.ts';
import { signByNkey } from '../../src/bus/nkey.ts';
import { ENROLMENT_PATHS } from '../../src/cloud/api-paths.ts';
import type { EnrolmentTokenReply } from '../../src/cloud/satellites-api.ts';
import { fingerprint } from '../../src/pki/authority.ts';
import { createBackoff } from '../../src/satellite/enrol/backoff.ts';
import { parseAddress } from '../../src/satellite/enrol/client.ts';
import { ensureNkey, readNkey } from '../../src/satellite/enrol/nkey.ts';
import {
  API_TOKEN,
  call,
  localClouds,
  until,
  type Answer,
  type LocalClouds,
  type LocalNode,
} from '../support/local-cloud.ts';

/** One cloud, and a machine that is no node of its cluster: the commands as they are given there. */
const node: LocalNode = { name: 'n1', address: '127.0.0.1' };
const auth = { authorization: `Bearer ${API_TOKEN}` };
let clouds: LocalClouds;
const data = mkdtempSync(join(tmpdir(), 'terrarium-enrol-'));

t.before(async () => {
  clouds = await localClouds([node]);
  await clouds.start(node);
});
t.teardown(async () => {
  await clouds.stop();
  rmSync(data, { recursive: true });
});

const ask = (method: string, path: string, body?: unknown): Promise<Answer> =>
  call(clouds, node, path, { method, headers: auth, ...(body === undefined ? {} : { body }) });
const token = async (): Promise<EnrolmentTokenReply> =>
  JSON.parse((await ask('POST', ENROLMENT_PATHS.tokens, { tags: { site: 'far' } })).body) as EnrolmentTokenReply;

async function enrol(
  addresses: string,
  more: string[],
  env: NodeJS.ProcessEnv = {},
): Promise<{ code: number | undefined; stdout: string; stderr: string }> {
  const done = await execa(
    process.execPath,
    ['src/main.ts', 'satellite', 'enrol', addresses, '--data', data, ...more],
    { reject: false, env, timeout: 60_000 },
  );
  return { code: done.exitCode, stdout: done.stdout, stderr: done.stderr };
}

t.test('the pause between tries', async (t) => {
  const most = createBackoff(() => 0.9999999);
  t.same(
    Array.from({ length: 8 }, () => most.next()),
    [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000],
  );
  most.reset();
  t.equal(most.next(), 1000);
  const least = createBackoff(() => 0);
  t.same(
    Array.from({ length: 8 }, () => least.next()),
    Array.from({ length: 8 }, () => 1000),
  );
});

t.test('addresses', async (t) => {
  t.same(
    ['a.b', '10.0.0.1:99', 'fd00::1', '[fd00::1]:99'].map((a) => parseAddress(a, 1)),
    [
      { host: 'a.b', port: 1 },
      { host: '10.0.0.1', port: 99 },
      { host: 'fd00::1', port: 1 },
      { host: 'fd00::1', port: 99 },
    ],
  );
  for (const bad of ['', 'a:b', 'a:0', 'a:70000', 'https://a', 'a b']) {
    t.throws(() => parseAddress(bad, 1), { code: 'usage' });
  }
});

t.test('what is told is checked before anything is sent', async (t) => {
  for (const bad of ['far.example', '10.0.0.1:80', '']) {
    t.match(await enrol('127.0.0.1:1', ['--ca-hash', `sha256:${'0'.repeat(64)}`, '--advertise-address', bad]), {
      code: 2,
      stderr: /is no IP address/,
    });
  }
});

t.test('another cluster is refused before anything secret is sent', async (t) => {
  const { tls, asked } = { tls: clouds.files.data('n1'), asked: [] as string[] };
  const other: Server = createServer(
    { cert: readFileSync(`${tls}/cloud/tls/server.crt`), key: readFileSync(`${tls}/cloud/tls/server.key`) },
    (req, res) => {
      asked.push(`${req.method} ${req.url}`);
      res.end(JSON.stringify({ ca: readFileSync(`${tls}/cloud/tls/server.crt`, 'utf8') }));
    },
  );
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const { port } = other.address() as { port: number };
  const done = await enrol(`127.0.0.1:${port}`, ['--ca-hash', `sha256:${'0'.repeat(64)}`], {
    TERRARIUM_ENROLMENT_TOKEN: 'secret',
  });
  other.close();
  t.match(done, { code: 2, stderr: /is not the cluster that the command is for/ });
  t.same(asked, [`GET ${ENROLMENT_PATHS.authority}`]);
});

let satellite: ChildProcess | undefined;
function run(env: NodeJS.ProcessEnv, lines: string[] = []): ChildProcess {
  const child = spawn(process.execPath, ['src/main.ts', 'satellite'], {
    env: {
      ...process.env,
      TERRARIUM_DATA: data,
      TERRARIUM_CLUSTER_CONFIG: join(data, 'none'),
      TERRARIUM_CLOUDS_FILE: join(data, 'none'),
      ...env,
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  child.stderr?.on('data', (chunk: Buffer) => lines.push(chunk.toString('utf8')));
  return child;
}
t.teardown(async () => {
  if (satellite?.exitCode !== null) {
    return;
  }
  satellite.kill('SIGTERM');
  await once(satellite, 'exit');
});

t.test(
  'a machine enrols by the first control plane that answers, and its satellite answers queries',
  { timeout: 300_000 },
  async (t) => {
    const made = await token();
    t.equal(made.caHash, fingerprint(clouds.files.authority.cert));
    const done = await enrol(
      `127.0.0.99:${clouds.ports.console},${made.addresses.join()}`,
      ['--ca-hash', made.caHash, '--id', 'far'],
      { TERRARIUM_ENROLMENT_TOKEN: made.token },
    );
    t.match(done, { code: 0, stdout: /^far has enrolled/, stderr: /127\.0\.0\.99:\d+: connect ECONNREFUSED/ });
    t.equal(statSync(join(data, 'satellite/tls/client.key')).mode & 0o777, 0o600);
    t.notOk(readFileSync(join(data, 'satellite/tls/client.csr'), 'utf8').includes('PRIVATE'));
    t.match(await enrol(made.addresses.join(), ['--ca-hash', made.caHash], { TERRARIUM_ENROLMENT_TOKEN: 'x' }), {
      code: 1,
      stderr: /has enrolled already/,
    });

    // As a crash in the midst of a renewal leaves it.
    renameSync(join(data, 'satellite/tls'), join(data, 'satellite/tls.former'));
    t.match(
      await enrol(made.addresses.join(), ['--ca-hash', made.caHash, '--if-needed'], { TERRARIUM_ENROLMENT_TOKEN: 'x' }),
      { code: 0, stdout: /has enrolled already/ },
    );
    t.ok(existsSync(join(data, 'satellite/tls/client.crt')));

    satellite = run({});
    await until(
      'its heartbeat',
      async () => ((await ask('GET', '/api/v1/satellites/far')).body.includes('"state":"healthy"') ? true : undefined),
      20_000,
    );
    const rows = await ask('POST', '/api/v1/queries', { sql: 'select 6 * 7 as answer', satellites: ['far'] });
    t.match(rows.body, /\[\[42\]\]/);
  },
);

t.test(
  'it is renamed and tagged, and asked by its tags; its states are told with who and why',
  { timeout: 300_000 },
  async (t) => {
    const path = '/api/v1/satellites/far';
    const before = JSON.parse((await ask('GET', path)).body) as { name: string; tags: object; revision: number };
    t.match(before, { name: 'far', tags: { site: 'far' } });
    t.match(
      await ask('PATCH', path, { name: 'The far one', tags: { site: 'far', room: '7' }, expect: before.revision }),
      { status: 200, body: /"name":"The far one"/ },
    );
    t.match(await ask('PATCH', path, { name: 'too late', expect: before.revision }), { status: 409 });
    t.match(await ask('PATCH', path, {}), { status: 400 });
    t.match(await ask('PATCH', '/api/v1/satellites/nobody', { name: 'x' }), { status: 404 });
    t.match(
      await ask('PATCH', '/api/v1/satellites/n1', { tags: { site: 'near' } }),
      { status: 200, body: /"site":"near"/ },
      "a node's too",
    );
    const asked = async (body: object): Promise<string[]> => {
      const lines = (await ask('POST', '/api/v1/queries', { sql: 'select 1', ...body })).body.trim().split('\n');
      return Object.keys((JSON.parse(lines.at(-1) ?? '') as { satellites: object }).satellites);
    };
    t.same(await asked({ tags: { site: 'far', room: '7' } }), ['far']);
    t.same(await asked({ tags: { site: 'elsewhere' } }), []);
    t.same(await asked({ tags: { site: 'far' }, satellites: ['n1'] }), []);
    const states = await until('the state to be recorded', async () => {
      const { items } = JSON.parse((await ask('GET', `${path}/states`)).body) as {
        items: { state: string; actor: string; reason: string }[];
      };
      return items.length > 1 ? items : undefined;
    });
    t.match(states, [
      { state: 'healthy', actor: 'cloud/n1', reason: 'heard' },
      { state: 'enrolled', actor: /^enrolment\// },
    ]);
  },
);

t.test(
  'where the TLS port is closed it comes by WebSocket, through a proxy if there is one',
  { timeout: 300_000 },
  async (t) => {
    const through: string[] = [];
    const proxy = createHttpServer((_, response) => response.writeHead(405).end()).on(
      'connect',
      (request, socket, head) => {
        through.push(request.url ?? '');
        const [host = '', port = ''] = (request.url ?? '').split(':');
        const there = netConnect(Number(port), host, () => {
          socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
          there.write(head);
          there.pipe(socket).pipe(there);
        });
        there.on('error', () => socket.destroy());
        socket.on('error', () => there.destroy());
      },
    );
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    t.teardown(() => proxy.close());
    const { port } = proxy.address() as { port: number };
    const answers = async (): Promise<boolean> =>
      (
        await ask('POST', '/api/v1/queries', { sql: 'select 6 * 7', satellites: ['far'], timeoutMs: 60_000 })
      ).body.includes('[[42]]');
    for (const [what, env] of [
      ['directly', {}],
      ['through the proxy', { HTTPS_PROXY: `http://127.0.0.1:${port}` }],
      ['not through the proxy', { HTTPS_PROXY: `http://127.0.0.1:${port}`, NO_PROXY: '127.0.0.1' }],
    ] as const) {
      if (satellite !== undefined) {
        satellite.kill('SIGTERM');
        await once(satellite, 'exit');
      }
      through.length = 0;
      const lines: string[] = [];
      satellite = run({ TERRARIUM_CLOUDS: '127.0.0.1:1', ...env }, lines);
      await until(
        `its connection ${what}`,
        () => (/connected to 127\.0\.0\.1:\d+ by WebSocket/.test(lines.join('')) ? true : undefined),
        60_000,
      ).catch((error: Error) => {
        throw new Error(`${error.message}\n${lines.join('')}`);
      });
      t.match(lines.join(''), /127\.0\.0\.1:1: /, 'the TLS port was tried first');
      await until(`an answer ${what}`, async () => ((await answers()) ? true : undefined), 60_000);
      t.equal(
        through.includes(`127.0.0.1:${clouds.ports.console}`),
        what === 'through the proxy',
        `${what}: ${through.join()}`,
      );
    }
  },
);

t.test('revoked, it is neither heard nor asked; with a new key it comes back', { timeout: 300_000 }, async (t) => {
  const newKey = async (): Promise<{ code: number | undefined; stdout: string; stderr: string }> => {
    const made = await token();
    return enrol(made.addresses.join(), ['--ca-hash', made.caHash, '--id', 'far', '--new-key'], {
      TERRARIUM_ENROLMENT_TOKEN: made.token,
    });
  };
  const nkeyHere = (): string | undefined => readNkey(join(data, 'satellite/tls'))?.seed;
  const certificate = (): string => readFileSync(join(data, 'satellite/tls/client.crt'), 'utf8');
  const before = certificate();
  t.match(await newKey(), { code: 1, stderr: /another satellite far already/ });
  t.equal(certificate(), before, 'what was refused has taken nothing away');
  t.equal((await ask('POST', '/api/v1/satellites/far/revoke')).status, 204);
  t.match(JSON.parse((await ask('GET', '/api/v1/satellites/far')).body), { state: 'revoked', tags: { site: 'far' } });
  t.match((await ask('POST', '/api/v1/queries', { sql: 'select 1', satellites: ['far'] })).body, /"lost"|"error"/);
  // The machine dies before it has the answer, and this key is revoked, too.
  const lost = { dir: join(data, 'satellite/tls.new'), name: 'client' };
  rmSync(lost.dir, { recursive: true, force: true });
  const request = await credentialRequest(lost, 'satellite');
  const nkey = ensureNkey(lost.dir, undefined);
  t.match(
    await ask('POST', ENROLMENT_PATHS.enrol, {
      token: (await token()).token,
      id: 'far',
      request,
      nkey: { key: nkey.publicKey, signature: signByNkey(nkey, request) },
    }),
    { status: 200 },
  );
  t.equal((await ask('POST', '/api/v1/satellites/far/revoke')).status, 204);
  t.match(
    await newKey(),
    { code: 0, stderr: /This key of far has been revoked for good.* Makes another one/ },
    'it does not show the same key for ever',
  );
  t.not(certificate(), before);
  t.not(nkeyHere(), nkey.seed);
  t.notOk(existsSync(join(data, 'satellite/tls.new')) || existsSync(join(data, 'satellite/tls.old')));
  const enrolledAt = Date.now();
  await until(
    'a heartbeat with the new key',
    async () => {
      const { lastSeen, state } = JSON.parse((await ask('GET', '/api/v1/satellites/far')).body) as {
        lastSeen: string;
        state: string;
      };
      return state === 'healthy' && Date.parse(lastSeen) > enrolledAt ? true : undefined;
    },
    120_000,
  );
});
