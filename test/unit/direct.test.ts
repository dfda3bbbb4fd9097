import { execFileSync } from 'node:child_process';
import { X509Certificate, createPrivateKey, generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NatsConnection } from '@nats-io/transport-node';
import fc from 'fast-check';
import t from 'tap';
import { satelliteNameIn, zoneName } from '../../installer/cluster/zone.ts';
import { ed25519Key, keyName, keyProof, provenKey } from '../../src/bus/direct-keys.ts';
import { readToken, signToken } from '../../src/bus/direct-token.ts';
import { MAX_SKEW_MS, TOKEN_MS, directAskSchema, type DirectAsk } from '../../src/bus/direct.ts';
import { CERTIFICATE_DAYS, createDirectAuthority, signEndpoint } from '../../src/cloud/direct/authority.ts';
import { createTokenSigner } from '../../src/cloud/direct/tokens.ts';
import { issue, type Identity } from '../../src/pki/authority.ts';
import { DAY_MS } from '../../src/pki/crypto.ts';
import { storePair } from '../../src/pki/pair-file.ts';
import { RENEW_AFTER, fits, loadPair, makeKey, renewAt } from '../../src/satellite/direct/certificate.ts';
import { startDirect } from '../../src/satellite/direct/direct.ts';
import { createEndpoint } from '../../src/satellite/direct/endpoint.ts';
import { createJudge, type Judge } from '../../src/satellite/direct/judge.ts';
import type { Pool } from '../../src/satellite/sql/pool.ts';

const dir = mkdtempSync(join(tmpdir(), 'terrarium-direct-'));
t.teardown(() => rmSync(dir, { recursive: true }));

const START = 1_800_000_000_000;
const SQL = 'select 1';
const query = { q: 'abcdef0123456789', sat: 'n1', user: 'eva', timeoutMs: 1000, maxRows: 10, maxBytes: 1000 };

interface World {
  /** The cloud's clock, the satellite's. */
  cloud: number;
  satellite: number;
  ahead: number | undefined;
  /** When the satellite was started, by its clock. */
  since: number;
  token(more?: Partial<typeof query & { sql: string }>): string;
  judge: Judge;
}

function world(): World {
  const signer = createTokenSigner(() => w.cloud);
  const name = keyName(signer.publicKey);
  const key = ed25519Key(signer.publicKey);
  let judge: Judge | undefined;
  const w: World = {
    cloud: START,
    satellite: START,
    ahead: 0,
    since: START - 1_000,
    token: (more = {}) => signer.sign({ ...query, sql: SQL, ...more }),
    get judge() {
      return (judge ??= createJudge({
        sat: 'n1',
        now: () => w.satellite,
        since: w.since,
        key: (n) => (n === name ? key : undefined),
        ahead: () => w.ahead,
      }));
    },
  };
  return w;
}
const code = (w: World, token: string, sql = SQL): string => {
  const verdict = w.judge.judge(token, sql);
  return 'claims' in verdict ? 'ok' : `${verdict.status} ${verdict.code}: ${verdict.message}`;
};

t.test('a token is good once, for its satellite, statement and time, with its limits', async (t) => {
  const w = world();
  const token = w.token();
  t.match(w.judge.judge(token, SQL), { claims: { ...query, from: START, until: START + TOKEN_MS } });
  t.match(code(w, token), /^401 direct.token: The token has been used/);
  t.match(code(w, w.token({ sat: 'n2' })), /^401 .*is for n2, and this is n1/);
  const kept = w.token();
  t.match(code(w, kept, 'select 2'), /^403 direct.sql/);
  t.equal(code(w, kept), 'ok', 'a wrong statement has not used it up');
  for (const none of ['', 'x', 'trd_x.y', `${token}x`, token.replace('trd_', 'trr_')]) {
    t.match(code(w, none), /^401 direct.token: This is no token/);
  }
  t.match(code(world(), token), /^401 .*instance of the cloud that is not known/);
  t.equal(world().judge.unknownKey(token)?.length, 16);
  t.equal(w.judge.unknownKey(token), undefined);
});

t.test('time, and whose clock is wrong', async (t) => {
  const w = world();
  const token = w.token();
  w.satellite = START + TOKEN_MS + 1;
  t.match(code(w, token), /^401 direct.token: The token ended 0 s ago by the clock of n1/);
  w.satellite = START + TOKEN_MS;
  t.equal(code(w, token), 'ok');
  const late = world();
  late.satellite = START - MAX_SKEW_MS;
  t.equal(code(late, late.token()), 'ok');
  late.satellite = START - MAX_SKEW_MS - 1000;
  t.match(
    code(late, late.token()),
    /^401 direct.clock: The clock of n1 is 31 s behind the cloud's; at most 30 s are allowed/,
  );
  const early = world();
  early.satellite = START + 100_000;
  early.ahead = 100_000;
  t.match(code(early, early.token()), /^401 direct.clock: The clock of n1 is 100 s ahead of the cloud's/);
  const before = world();
  before.cloud = START - 1001;
  t.match(code(before, before.token()), /was made before n1 was started/);
});

t.test('a token from before a start is refused, one from after it is not, whatever the clocks say', async (t) => {
  for (const ahead of [-20_000, 0, 20_000]) {
    const w = world();
    w.ahead = ahead;
    // It began to remember 1 s before the cloud's clock said START.
    const judged = (made: number, known: boolean): string => {
      w.cloud = START + made;
      w.satellite = w.cloud + ahead;
      w.ahead = known ? ahead : undefined;
      return code(w, w.token());
    };
    w.since = START - 1_000 + ahead;
    t.match(judged(-1_001, true), /was made before n1 was started/, `${ahead} ms ahead: it may have been used then`);
    t.equal(judged(-1_000, true), 'ok', `${ahead} ms ahead`);
    t.match(judged(-1_001, false), /was made before n1 was started/, 'before the difference is known');
    t.equal(judged(MAX_SKEW_MS + 20_000, false), 'ok', 'long after it');
  }
});

t.test('whatever is changed of a token, it is refused', async (t) => {
  fc.assert(
    fc.property(fc.nat(), fc.nat(63), (at, by) => {
      const w = world();
      const token = w.token();
      const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
      const place = at % token.length;
      const changed = token.slice(0, place) + alphabet[by] + token.slice(place + 1);
      if (
        changed === token ||
        (Buffer.from(changed.split('.')[1] ?? '', 'base64url').equals(
          Buffer.from(token.split('.')[1] ?? '', 'base64url'),
        ) &&
          changed.split('.')[0] === token.split('.')[0])
      ) {
        return true;
      }
      return code(w, changed).startsWith('401');
    }),
    { numRuns: 500 },
  );
  const { privateKey } = generateKeyPairSync('ed25519');
  const w = world();
  const claims = readToken(w.token())?.claims;
  t.match(claims === undefined ? '' : code(w, signToken(claims, privateKey)), /^401 .*not signed by the cloud/);
});

t.test('the authority can sign for satellites of its zone, and for nobody else', async (t) => {
  const now = new Date();
  const authority = await createDirectAuthority('terrarium.internal', now);
  const verified = async (purpose: string, identity: Partial<Identity>): Promise<boolean> => {
    const { cert } = await issue(
      authority,
      { commonName: 'x', sans: ['n1.satellites.terrarium.internal'], usages: ['server'], days: 1, ...identity },
      now,
    );
    writeFileSync(join(dir, 'ca.crt'), authority.cert);
    writeFileSync(join(dir, 'leaf.crt'), cert);
    try {
      execFileSync('openssl', ['verify', '-purpose', purpose, '-CAfile', join(dir, 'ca.crt'), join(dir, 'leaf.crt')], {
        stdio: 'pipe',
      });
      return true;
    } catch {
      return false;
    }
  };
  t.ok(await verified('sslserver', {}));
  t.notOk(await verified('sslclient', { usages: ['client'] }), 'no client, so nothing on the bus');
  for (const other of [
    'console.terrarium.internal',
    'satellites.terrarium.internal.example',
    'example.com',
    '10.0.0.1',
    'fd00::1',
  ]) {
    t.notOk(await verified('sslserver', { sans: [other] }), other);
  }
});

t.test("a satellite's certificate: one name, 90 days, renewed after 60 %", async (t) => {
  const now = new Date();
  const zone = 'terrarium.internal';
  const authority = await createDirectAuthority(zone, now);
  const made = makeKey();
  const key = provenKey('n1', { id: 'ab', key: made.spki, proof: made.proof('n1', 'ab') });
  t.ok(key);
  for (const [sat, id] of [
    ['n2', 'ab'],
    ['n1', 'ac'],
  ] as const) {
    t.equal(
      provenKey(sat, { id, key: made.spki, proof: made.proof('n1', 'ab') }),
      undefined,
      'of another satellite, or another time',
    );
  }
  const other = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  t.equal(
    provenKey('n1', {
      id: 'ab',
      key: other.publicKey.export({ type: 'spki', format: 'der' }).toString('base64url'),
      proof: sign('sha256', keyProof('n1', 'ab'), other.privateKey).toString('base64url'),
    }),
    undefined,
    'P-256 only',
  );
  t.equal(provenKey('n1', { id: 'ab', key: 'nonsense', proof: 'nonsense' }), undefined);

  const cert = await signEndpoint(authority, zone, 'n1', key ?? Buffer.alloc(0), now);
  const shown = new X509Certificate(cert);
  t.equal(shown.subjectAltName, 'DNS:n1.satellites.terrarium.internal');
  t.ok(Math.abs(shown.validToDate.getTime() - now.getTime() - CERTIFICATE_DAYS * DAY_MS) < 2000);
  t.ok(shown.checkPrivateKey(createPrivateKey(made.key)));
  const pair = { cert, key: made.key };
  const renewal =
    (renewAt(pair) - shown.validFromDate.getTime()) / (shown.validToDate.getTime() - shown.validFromDate.getTime());
  t.ok(Math.abs(renewal - RENEW_AFTER) < 0.001);
  t.ok(fits(pair, satelliteNameIn(zone, 'n1'), authority.cert));
  t.notOk(fits(pair, satelliteNameIn(zone, 'n2'), authority.cert));
  t.notOk(
    fits(pair, satelliteNameIn(zone, 'n1'), (await createDirectAuthority(zone, now)).cert),
    'by another authority',
  );
  t.notOk(fits({ ...pair, key: makeKey().key }, satelliteNameIn(zone, 'n1'), authority.cert), 'with another key');

  const file = join(dir, 'state/endpoint.pem');
  storePair(file, pair);
  t.equal(statSync(file).mode & 0o777, 0o600);
  t.same(loadPair(file), { cert: pair.cert, key: pair.key });
  writeFileSync(file, readFileSync(file, 'utf8').slice(0, 500));
  t.equal(loadPair(file), undefined, 'half of it is none');
});

t.test('a certificate that cannot be stored is used all the same', async (t) => {
  const zone = 'terrarium.internal';
  const authority = await createDirectAuthority(zone, new Date());
  // Where its folders would be there is a file.
  const data = join(dir, 'full');
  writeFileSync(data, '');
  const lines: string[] = [];
  let hear: (error: null, msg: { string(): string }) => void = () => undefined;
  const answer = async ({ id, key, proof }: DirectAsk): Promise<void> => {
    const asked = provenKey('n1', { id, key, proof });
    const certificate =
      asked === undefined ? {} : { certificate: await signEndpoint(authority, zone, 'n1', asked, new Date()) };
    hear(null, {
      string: () =>
        JSON.stringify({
          id,
          at: Date.now(),
          listen: true,
          port: 7449,
          name: satelliteNameIn(zone, 'n1'),
          origins: [],
          keys: [],
          authority: authority.cert,
          ...certificate,
        }),
    });
  };
  const nc = {
    subscribe: (_: string, options: { callback: typeof hear }) => (
      (hear = options.callback),
      { unsubscribe: () => undefined }
    ),
    publish: (_: string, ask: string) => void answer(directAskSchema.parse(JSON.parse(ask))),
    status: async function* () {
      yield* [];
    },
  } as unknown as NatsConnection;
  const direct = startDirect({
    sat: 'n1',
    pool: {} as Pool,
    data,
    address: '127.0.0.1',
    port: 0,
    log: (line) => lines.push(line),
  });
  t.teardown(() => direct.stop());
  direct.attach(nc);
  for (const end = Date.now() + 45_000; direct.port() === undefined && Date.now() < end;) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  t.type(direct.port(), 'number');
  t.match(lines.join('\n'), /direct: the certificate was not stored: ENOTDIR.*\ndirect: has a certificate/);
});

t.test('the endpoint closes, though somebody has connected and says nothing', async (t) => {
  const zone = 'terrarium.internal';
  const authority = await createDirectAuthority(zone, new Date());
  const made = makeKey();
  const key = provenKey('n1', { id: 'ab', key: made.spki, proof: made.proof('n1', 'ab') });
  const endpoint = createEndpoint({
    pool: {} as Pool,
    closed: () => undefined,
    origins: () => [],
    check: () => Promise.reject(new Error('nobody asks')),
    judge: () => ({ status: 401, code: 'x', message: 'x' }),
  });
  endpoint.show({ cert: await signEndpoint(authority, zone, 'n1', key ?? Buffer.alloc(0), new Date()), key: made.key });
  await endpoint.listen('127.0.0.1', 0);
  const socket = connect(endpoint.port() ?? 0, '127.0.0.1');
  socket.on('error', () => undefined);
  const gone = once(socket, 'close');
  await once(socket, 'connect');
  // Until the server has taken it.
  await new Promise((resolve) => setTimeout(resolve, 200));
  const began = performance.now();
  await endpoint.close();
  t.ok(performance.now() - began < 8_000, 'it has not waited for the handshake, which has 10 s');
  await gone;
});

t.test('names of zones', async (t) => {
  for (const good of ['terrarium.internal', 'a.b.example.com', 'x-1.example']) {
    t.ok(zoneName.safeParse(good).success, good);
  }
  for (const bad of ['internal', 'Terrarium.internal', 'a..b', '.a.b', 'a.b.', '-a.b', 'a b.c', 'a.1']) {
    t.notOk(zoneName.safeParse(bad).success, bad);
  }
});
