import { X509Certificate } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decode, encode, type Answer as DnsAnswer } from 'dns-packet';
import t from 'tap';
import type { DirectQueryReply, DnsReply } from '../../src/cloud/direct-api.ts';
import { createDirectAuthority, signEndpoint } from '../../src/cloud/direct/authority.ts';
import { DAY_MS } from '../../src/pki/crypto.ts';
import { storePair } from '../../src/pki/pair-file.ts';
import { makeKey } from '../../src/satellite/direct/certificate.ts';
import { call, localClouds, until, type LocalClouds, type LocalNode } from '../support/local-cloud.ts';
import { childrenOf, processorMs } from '../support/memory.ts';
import { renewalTests } from './support/direct/renewal.ts';
import { NAME, auth, code, directRequests, type Reply } from './support/direct/requests.ts';
import { satelliteProcesses } from './support/direct/satellites.ts';

/**
 * Three instances of the cloud and the satellites of two nodes, each its own process, and a browser's requests by hand.
 */
const nodes: [LocalNode, LocalNode, LocalNode] = [
  { name: 'n1', address: '127.0.0.1' },
  { name: 'n2', address: '127.0.0.2' },
  { name: 'n3', address: '127.0.0.3' },
];
const [first, second] = nodes;
let clouds: LocalClouds;
let authority = '';
const satellites = satelliteProcesses(() => clouds);
const requests = directRequests(
  () => clouds,
  () => authority,
);
const { ask, grants, token, origin, open, send, post } = requests;

t.before(async () => {
  clouds = await localClouds(nodes);
  // n1's satellite has a certificate of somebody else from before: it must not show it.
  const foreign = await createDirectAuthority('terrarium.internal', new Date());
  const key = makeKey();
  storePair(join(clouds.files.data('n1'), 'satellite/state/direct/endpoint.pem'), {
    key: key.key,
    cert: await signEndpoint(
      foreign,
      'terrarium.internal',
      'n1',
      Buffer.from(key.spki, 'base64url'),
      new Date(Date.now() - 80 * DAY_MS),
    ),
  });
  mkdirSync(join(clouds.files.data('n2'), 'satellite/state'), { recursive: true });
  await Promise.all(nodes.map((n) => clouds.start(n)));
  for (const node of [first, second]) {
    satellites.start(node);
  }
  await until(
    'both endpoints',
    async () => ((await grants('select 1', ['n1', 'n2'])).every((g) => 'token' in g) ? true : undefined),
    180_000,
  );
  const dns = JSON.parse((await ask(second, 'GET', '/api/v1/dns')).body) as DnsReply;
  authority = dns.authority ?? '';
});
t.teardown(async () => {
  for (const node of nodes) {
    await satellites.stop(node.name);
  }
  await clouds.stop();
});
t.afterEach((t) => {
  if (!t.passing()) {
    t.comment([...clouds.output.slice(-30), ...satellites.output.slice(-30)].join(''));
  }
});

t.test('rows come as through the cloud, by a token of any instance, once', async (t) => {
  const sql = 'select 6 * 7 as answer';
  for (const node of nodes) {
    const bearer = await token(sql, {}, node);
    const reply = await send(post(bearer, sql));
    t.equal(reply.status, 200);
    t.equal(reply.headers['content-type'], 'application/x-ndjson');
    const lines = reply.body
      .split('\n')
      .filter((l) => l !== '')
      .map((l) => JSON.parse(l) as Record<string, unknown>);
    t.match(lines, [
      { sat: 'n1', seq: 0, columns: ['answer'], rows: [[42]] },
      { sat: 'n1', end: { rows: 1 } },
    ]);
    t.equal(code(await send(post(bearer, sql))), '401 direct.token', 'not twice');
  }
  t.equal(code(await send(post(await token('select 1'), 'select 2'))), '403 direct.sql');
  const [other] = await grants(sql, ['n2']);
  t.equal(
    code(await send(post(other !== undefined && 'token' in other ? other.token : '', sql))),
    '401 direct.token',
    "n2's at n1",
  );
  const limited = await send(
    post(await token('select pid from processes', { maxRows: 2 }), 'select pid from processes'),
  );
  t.match(limited.body, /"rows":2,.*"truncated":"rows"/);
  t.match(
    (await send(post(await token('select x from y'), 'select x from y'))).body,
    /"error":\{"code":"query\.(syntax|denied)"/,
  );
});

t.test('the certificate: of our authority, for this name, and the old one is not shown', async (t) => {
  const answer = await open({ method: 'OPTIONS' });
  const shown = new X509Certificate(
    (answer.socket as unknown as { getPeerCertificate(): { raw: Buffer } }).getPeerCertificate().raw,
  );
  answer.resume();
  t.equal(shown.subjectAltName, `DNS:${NAME}`);
  t.ok(shown.verify(new X509Certificate(authority).publicKey));
  t.notOk(
    readFileSync(join(clouds.files.data('n1'), 'satellite/state/direct/endpoint.pem'), 'utf8').includes(authority),
  );
  await t.rejects(open({ method: 'OPTIONS', ca: clouds.files.authority.cert }), "the bus's authority is another one");
});

t.test('which pages may read it', async (t) => {
  const preflight = (from: string): Promise<Reply> =>
    send({
      method: 'OPTIONS',
      headers: {
        origin: from,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,content-type',
      },
    });
  for (const from of [
    origin(),
    `https://127.0.0.2:${clouds.ports.console}`,
    `https://console.terrarium.internal:${clouds.ports.console}`,
  ]) {
    const reply = await preflight(from);
    t.equal(reply.status, 204);
    t.match(reply.headers, {
      'access-control-allow-origin': from,
      'access-control-allow-methods': 'POST',
      'access-control-allow-headers': 'authorization, content-type',
      'access-control-max-age': '7200',
      vary: 'Origin',
    });
    t.equal(reply.headers['access-control-allow-credentials'], undefined);
  }
  for (const from of [
    'https://evil.example',
    'null',
    `http://127.0.0.1:${clouds.ports.console}`,
    `https://127.0.0.1:${clouds.ports.console}.evil.example`,
  ]) {
    const reply = await preflight(from);
    t.match(
      [reply.status, reply.headers['access-control-allow-origin'], reply.headers.vary],
      [403, undefined, 'Origin'],
      from,
    );
    const bearer = await token('select 1');
    t.equal(code(await send(post(bearer, 'select 1', { origin: from }))), '403 foreign-page');
    t.equal((await send(post(bearer, 'select 1'))).status, 200, 'the token is not used up by that');
  }
});

t.test('what is no query', async (t) => {
  t.equal(code(await send({ method: 'GET' })), '405 method-not-allowed');
  t.equal(code(await send({ method: 'POST', path: '/' })), '404 not-found');
  t.equal(
    code(await send({ method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"sql":"select 1"}' })),
    '401 direct.token',
  );
  t.equal(
    code(await send(post(`trd_${'x'.repeat(80)}.${'x'.repeat(86)}`, ' '.repeat(500_000)))),
    '401 direct.token',
    'without a token no body is read',
  );
  const bearer = await token('select 1');
  t.equal(code(await send({ ...post(bearer, ''), body: '{' })), '400 not-json');
  t.equal(code(await send({ ...post(bearer, ''), body: '{"sql":"select 1","more":1}' })), '400 invalid-body');
  t.equal(code(await send(post(bearer, 'select 1', { 'content-type': 'text/plain' }))), '415 not-json');
  t.equal(
    code(await send({ ...post(bearer, ''), body: JSON.stringify({ sql: ' '.repeat(500_000) }) })),
    '413 too-large',
  );
});

t.test(
  'a reader who stops reading stops the statement, and one who goes away ends it',
  { timeout: 300_000 },
  async (t) => {
    const sql = 'with recursive n(i) as (select 1 union all select i + 1 from n) select i, hex(zeroblob(500)) from n';
    const more = { maxRows: 1_000_000, timeoutMs: 60_000 };
    const bearer = await token(sql, more);
    const answer = await open(post(bearer, sql));
    answer.pause();
    const children = (): number[] => childrenOf(satellites.pid('n1') ?? 0);
    const worked = (): Map<number, number> => new Map(children().map((pid) => [pid, processorMs(pid)]));
    await until('the statement to stand still', async () => {
      const before = worked();
      await new Promise((resolve) => setTimeout(resolve, 2_000));
      return before.size > 0 && [...worked()].every(([pid, ms]) => ms - (before.get(pid) ?? 0) < 50) ? true : undefined;
    });
    let read = 0;
    answer
      .on('data', (chunk: Buffer) => {
        read += chunk.length;
        // It must not come to its own end.
        if (read > 5_000_000) {
          answer.pause();
        }
      })
      .resume();
    await until('rows to flow again', () => (read > 5_000_000 ? true : undefined), 20_000);
    const before = children();
    answer.destroy();
    // Those that wait for a statement stay for a minute.
    await until('its process to be gone', () => (before.every((pid) => existsSync(`/proc/${pid}`)) ? undefined : true));
    const readers = await Promise.all(Array.from({ length: 4 }, async () => open(post(await token(sql, more), sql))));
    const begun = await Promise.all(
      readers.map(
        (reader) =>
          new Promise<string>((resolve) => {
            let text = '';
            reader
              .on('close', () => resolve(text))
              .on('data', (chunk: Buffer) => {
                text += chunk.toString();
                if (!/"rows":\[|"error":/.test(text)) {
                  return;
                }
                // It goes on, and keeps its place until all have begun.
                reader.pause();
                resolve(text);
              });
          }),
      ),
    );
    for (const text of begun) {
      t.match(text, /"rows":\[/, 'all four places are free');
    }
    for (const reader of readers) {
      reader.destroy();
    }
  },
);

t.test('DNS: satellites by their heartbeats, the console by who is alive', async (t) => {
  const lookup = async (name: string, server = first): Promise<string[]> => {
    const socket = createSocket('udp4');
    socket.send(encode({ type: 'query', id: 1, questions: [{ type: 'A', name }] }), clouds.ports.dns, server.address);
    const [reply] = (await once(socket, 'message')) as [Buffer];
    socket.close();
    return (decode(reply).answers ?? []).map((a: DnsAnswer) => ('data' in a ? String(a.data) : ''));
  };
  const { addresses } = JSON.parse((await ask(first, 'GET', '/api/v1/satellites/n1')).body) as { addresses: string[] };
  t.same(
    await lookup(NAME),
    addresses.filter((a) => !a.includes(':')),
  );
  t.same(await lookup('nobody.satellites.terrarium.internal'), []);
  t.same(
    (await lookup('console.terrarium.internal', second)).sort(),
    nodes.map((n) => n.address),
  );
  t.match(JSON.parse((await ask(first, 'GET', '/api/v1/dns')).body), {
    zone: 'terrarium.internal',
    port: clouds.ports.dns,
    servers: nodes,
  });
});

t.test('an operator chooses: through the cloud, directly, or both', async (t) => {
  const choose = async (access: string): Promise<void> => {
    t.match(JSON.parse((await ask(first, 'PATCH', '/api/v1/satellites/n1', { access })).body), { id: 'n1', access });
  };
  const throughCloud = async (): Promise<string> =>
    (await ask(first, 'POST', '/api/v1/queries', { sql: 'select 1', satellites: ['n1'] })).body;
  await choose('cloud');
  t.match(await grants('select 1', ['n1', 'nobody']), [
    { reason: 'n1 is to be asked through the cloud only.' },
    { reason: 'There is no satellite nobody.' },
  ]);
  await until(
    'its endpoint to be closed',
    () =>
      open({ method: 'OPTIONS' }).then(
        (answer) => void answer.resume(),
        () => true,
      ),
    15_000,
  );
  t.match(await throughCloud(), /\[\[1\]\]/);
  await choose('direct');
  t.match(await throughCloud(), /satellite\.direct-only/);
  await until(
    'its endpoint to be back',
    async () => ('token' in ((await grants('select 1', ['n1']))[0] ?? {}) ? true : undefined),
    20_000,
  );
  // A fact of before may still be there.
  await until('its endpoint to listen', () =>
    open({ method: 'OPTIONS' }).then(
      (answer) => (answer.resume(), true),
      () => undefined,
    ),
  );
  t.equal((await send(post(await token('select 1'), 'select 1'))).status, 200);
  await choose('both');
  t.match(await throughCloud(), /\[\[1\]\]/);
});

interface Audited {
  items: { kind: string; changes: { resource: string; after: unknown }[] }[];
}
const audited = async (): Promise<Audited> =>
  JSON.parse((await ask(first, 'GET', '/api/v1/audit?limit=20')).body) as Audited;

t.test('tokens are on record, each time, whatever id the client gives', async (t) => {
  const sql = "select 'for the record'";
  const repeated = { ...auth, 'terrarium-command-id': '01ARZ3NDEKTSV4RRFFQ69G5FAV' };
  const q: string[] = [];
  for (let i = 0; i < 3; i += 1) {
    const answer = await call(clouds, first, '/api/v1/direct-queries', {
      method: 'POST',
      headers: repeated,
      body: { sql, satellites: ['n1'] },
    });
    t.equal(answer.status, 200, answer.body);
    q.push((JSON.parse(answer.body) as DirectQueryReply).q);
  }
  const { items } = await audited();
  t.same(
    items.filter((i) => JSON.stringify(i.changes).includes('record')).map((i) => i.changes[0]?.resource),
    q.toReversed().map((id) => `direct-query/${id}`),
  );
  t.match(
    items.find(
      (i) =>
        i.changes[0]?.resource.startsWith('direct-query/') === true && JSON.stringify(i.changes).includes('record'),
    ),
    { kind: 'audit.note', changes: [{ after: { satellites: ['n1'], sql } }] },
  );
});

renewalTests(t, { clouds: () => clouds, nodes: { first, second }, requests, satellites });

t.test('a revoked satellite gets no tokens, and answers to none a moment later', { timeout: 300_000 }, async (t) => {
  // More than the sockets' buffers hold.
  const sql = 'with recursive n(i) as (select 1 union all select i + 1 from n) select i, hex(zeroblob(500)) from n';
  await until(
    'its port to be known again',
    async () => ('token' in ((await grants('select 1', ['n1']))[0] ?? {}) ? true : undefined),
    20_000,
  );
  const kept = await Promise.all(Array.from({ length: 120 }, () => token('select 1')));
  const running = await open(post(await token(sql, { maxRows: 1_000_000, timeoutMs: 60_000 }), sql));
  let text = '';
  running.setEncoding('utf8').on('data', (chunk: string) => (text = (text + chunk).slice(-1000)));
  // Read slowly, so that it still runs then.
  running.pause();
  const ended = new Promise((resolve) => running.on('close', resolve));
  t.equal((await ask(second, 'POST', '/api/v1/satellites/n1/revoke')).status, 204);
  const at = Date.now();
  t.match(await grants('select 1', ['n1'], {}, second), [{ reason: 'There is no satellite n1.' }]);
  let answeredAt = at;
  const refused: number[] = [];
  for (const bearer of kept) {
    const { status } = await send(post(bearer, 'select 1'));
    if (status === 200) {
      answeredAt = Date.now();
      t.same(refused, [], 'none is answered after one that was not');
    } else if (refused.push(status) === 20) {
      break;
    }
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
  t.same(
    refused,
    Array.from({ length: 20 }, () => 503),
  );
  t.comment(`answered last ${answeredAt - at} ms after the revocation`);
  running.resume();
  await ended;
  t.match(text, /direct\.offline/);
});
