import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import {
  BUS_SERVER_NAME,
  busName,
  cloudClientIdentity,
  enrolledIdentity,
  satelliteIdentity,
} from '../../src/bus/identities.ts';
import { createSatellitesAuthority, openSatellitesAuthority } from '../../src/cloud/satellites-authority.ts';
import { createRequest, issue, type Identity } from '../../src/pki/authority.ts';

const dir = mkdtempSync(join(tmpdir(), 'terrarium-authority-'));
t.teardown(() => rmSync(dir, { recursive: true }));

t.test('made once, kept for its owner alone', async (t) => {
  const first = await openSatellitesAuthority(dir, 'n1');
  t.equal((await openSatellitesAuthority(dir, 'n1')).cert, first.cert);
  t.equal(statSync(join(dir, 'authority.pem')).mode & 0o777, 0o600);
  const later = await openSatellitesAuthority(dir, 'n1', {
    now: () => new Date(Date.now() + 9 * 366 * 24 * 3_600_000),
  });
  t.not(later.cert, first.cert, 'another one before it ends');
});

t.test("who a certificate is for is the signer's decision, and names the key", async (t) => {
  const authority = await openSatellitesAuthority(dir, 'n1');
  const { csr } = await createRequest('satellite-other');
  const {
    key,
    details: { certificate },
  } = await authority.sign(csr, 'mine');
  const shown = new X509Certificate(certificate);
  t.equal(shown.subject, `O=terrarium:enrolled:${key}\nCN=satellite-mine`);
  t.equal(shown.subjectAltName, `URI:${busName(enrolledIdentity('mine', key))}`, 'and nothing else');
  t.equal(await authority.keyOf(csr), key);
  const der = Buffer.from(csr.replaceAll(/-----.*-----|\n/g, ''), 'base64');
  der[der.length - 1] = (der.at(-1) ?? 0) ^ 1;
  const forged = `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
  await t.rejects(authority.sign(forged, 'mine'), { code: 'bad-request' }, 'a request that its own key has not signed');
  await t.rejects(authority.keyOf('nothing'), { code: 'bad-request' });
});

t.test('it cannot sign for a server, nor for a name of the bus', async (t) => {
  const now = new Date();
  const authority = await createSatellitesAuthority('n1', now);
  const ca = join(dir, 'ca.crt');
  writeFileSync(ca, authority.cert);
  const verified = async (purpose: string, identity: Partial<Identity>): Promise<boolean> => {
    const { cert } = await issue(
      authority,
      { commonName: 'x', sans: [], usages: ['client'], days: 1, ...identity },
      now,
    );
    writeFileSync(join(dir, 'leaf.crt'), cert);
    try {
      execFileSync('openssl', ['verify', '-purpose', purpose, '-CAfile', ca, join(dir, 'leaf.crt')], { stdio: 'pipe' });
      return true;
    } catch {
      return false;
    }
  };
  t.ok(await verified('sslclient', {}));
  t.notOk(await verified('sslclient', { sans: [BUS_SERVER_NAME] }));
  t.notOk(await verified('sslserver', { usages: ['server'] }));
  t.ok(await verified('sslclient', enrolledIdentity('mine', 'abcd')));
  for (const other of [cloudClientIdentity('n1'), satelliteIdentity('n1')]) {
    t.notOk(await verified('sslclient', other), `nor for ${other.commonName}`);
  }
  t.notOk(await verified('sslclient', { uri: BUS_SERVER_NAME }), 'nor for a name of the bus as something else');
});
