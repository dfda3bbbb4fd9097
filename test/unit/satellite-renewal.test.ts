import { cpSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, sep } from 'node:path';
import Database from 'better-sqlite3';
import t from 'tap';
import { credentialRequest, storeCredential } from '../../installer/node/credentials.ts';
import { addonPath } from '../../src/assets.ts';
import { admitted } from '../../src/cloud/satellites-admission.ts';
import { createSatellitesAuthority, openSatellitesAuthority } from '../../src/cloud/satellites-authority.ts';
import { createRequest } from '../../src/pki/authority.ts';
import { DAY_MS } from '../../src/pki/crypto.ts';
import { renewalDue, validityOf } from '../../src/pki/validity.ts';
import { certificateEnds, formerFolder, hasEnded, nextFolder, tlsFolder } from '../../src/satellite/enrol/record.ts';
import { recoverCredential } from '../../src/satellite/renewal.ts';
import { servicePaths } from '../../src/satellite/service/paths.ts';
import { satelliteUnit } from '../../src/satellite/service/unit.ts';
import { loadSchema } from '../../src/store/kind.ts';
import { RENEWALS_SCHEMA } from '../../src/store/satellite-states.ts';

const root = mkdtempSync(join(tmpdir(), 'terrarium-renewal-unit-'));
t.teardown(() => rmSync(root, { recursive: true }));

t.test('a certificate is renewed after two thirds of its life, a little earlier or later by chance', async (t) => {
  const now = new Date('2026-01-01T00:00:00Z');
  for (const [lifeMs, ms] of [
    [undefined, 365 * DAY_MS],
    [60_000, 60_000],
    [1e15, 365 * DAY_MS],
  ] as const) {
    const authority = await openSatellitesAuthority(join(root, `authority-${ms}`), 'n1', { now: () => now, lifeMs });
    const { csr } = await createRequest('x');
    const { details } = await authority.sign(csr, 'far');
    t.same(
      validityOf(details.certificate),
      { issued: now.getTime(), ends: now.getTime() + ms },
      'what it reaches back is not part of its life, and no life is longer than a year',
    );
    t.equal(details.ends, now.getTime() + ms);
    const due = [0, 0.5, 1].map((chance) => (renewalDue(validityOf(details.certificate), chance) - now.getTime()) / ms);
    t.same(
      due.map((d) => Math.round(d * 1000)),
      [617, 667, 717],
    );
  }
});

/** A whole credential. */
async function make(dir: string): Promise<string> {
  await credentialRequest({ dir, name: 'client' }, 'satellite');
  const authority = await createSatellitesAuthority('n1', new Date());
  storeCredential({ dir, name: 'client' }, authority.cert, authority.cert);
  return readFileSync(join(dir, 'client.key'), 'utf8');
}

t.test('a crash anywhere in a renewal leaves a credential that is whole', async (t) => {
  const data = join(root, 'crash');
  const [tls, next, former] = [tlsFolder(data), nextFolder(data), formerFolder(data)];
  const own = await make(tls);
  const made = await make(next);
  const key = (dir: string): string => readFileSync(join(dir, 'client.key'), 'utf8');
  /** What is there after `steps` of the renewal. */
  const after = (steps: (() => void)[]): void => {
    for (const dir of [tls, next, former]) {
      rmSync(dir, { recursive: true, force: true });
    }
    cpSync(join(root, 'spare-own'), tls, { recursive: true });
    for (const step of steps) {
      step();
    }
    recoverCredential(data);
  };
  cpSync(tls, join(root, 'spare-own'), { recursive: true });
  cpSync(next, join(root, 'spare-next'), { recursive: true });
  const steps: [string, () => void, string][] = [
    [
      'the key is made',
      () => (cpSync(join(root, 'spare-next'), next, { recursive: true }), rmSync(join(next, 'client.crt'))),
      own,
    ],
    ['the certificate has come', () => cpSync(join(root, 'spare-next'), next, { recursive: true }), own],
    ['the old one is put aside', () => renameSync(tls, former), made],
    ['the new one is put in its place', () => (existsSync(tls) ? undefined : renameSync(next, tls)), made],
    ['the cloud has confirmed', () => rmSync(former, { recursive: true, force: true }), made],
  ];
  for (const [n, [what, , expected]] of steps.entries()) {
    after(steps.slice(0, n + 1).map(([, step]) => step));
    t.equal(key(tls), expected, what);
  }
  after([() => renameSync(tls, former)]);
  t.equal(key(tls), own, 'the old one alone comes back');
  t.ok((certificateEnds(data) ?? 0) > Date.now());
  t.notOk(hasEnded(data));
  t.ok(hasEnded(data, Date.now() + 20 * 365 * DAY_MS));
  t.equal(dirname(tls), dirname(next), 'on one file system');
});

t.test('a satellite that is a service may write where it renews', (t) => {
  const { data, state } = servicePaths('/');
  for (const podLogs of [false, true]) {
    const writable = /^ReadWritePaths=(.*)$/m.exec(satelliteUnit({ podLogs }))?.[1]?.split(' ') ?? [];
    const mayWrite = (path: string): boolean => writable.some((folder) => path.startsWith(`${folder}${sep}`));
    for (const path of [tlsFolder(data), nextFolder(data), formerFolder(data), join(state, 'heard.json')]) {
      t.ok(mayWrite(path), path);
    }
    t.notOk(mayWrite(join(data, 'environment')), 'the proxy settings are not its to change');
  }
  t.end();
});

t.test('who may connect: both of a renewal, until a certificate ends', async (t) => {
  const db = new Database(':memory:', { nativeBinding: addonPath() });
  for (const { sql } of (await loadSchema()).sort((a, b) => a.version - b.version)) {
    db.exec(sql);
  }
  const put = db.prepare(
    'INSERT INTO satellites (id, name, tags, access, bus_key, https_key, details, state, state_at, enrolled_at, ' +
      "version, nkey) VALUES (?, 'x', '{}', 'both', ?, '', ?, ?, 0, 0, 1, ?)",
  );
  const details = (ends: number): string => JSON.stringify({ certificate: 'unread', authority: 'CA', ends });
  put.run('far', 'key1', details(1000), 'healthy', 'U1');
  put.run('gone', 'key9', details(9000), 'revoked', 'U9');
  put.run('n1', 'node', '{}', 'healthy', '');
  db.prepare(
    "INSERT INTO satellite_renewals (satellite, bus_key, nkey, details, at) VALUES ('far', 'key2', 'U2', ?, 0)",
  ).run(details(2000));
  const at = (now: number, schema = RENEWALS_SCHEMA): { keys: string[]; until: number } => {
    const { enrolled, until } = admitted(db, ['n1'], { schema, now });
    return { keys: enrolled.map((e) => `${e.id}/${e.key}/${e.nkey}`), until };
  };
  t.same(at(999), { keys: ['far/key1/U1', 'far/key2/U2'], until: 1000 });
  t.same(at(1000), { keys: ['far/key2/U2'], until: 2000 });
  t.same(at(2000), { keys: [], until: Number.POSITIVE_INFINITY });
  t.same(at(0, RENEWALS_SCHEMA - 1).keys, ['far/key1/U1'], 'before the schema is active there is no such table');
  t.same(
    admitted(db, ['n1', 'far'], { schema: RENEWALS_SCHEMA, now: 0 }).enrolled,
    [],
    "a node's name belongs to its own satellite",
  );
  db.close();
});
