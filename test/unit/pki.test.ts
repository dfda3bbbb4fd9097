import { X509Certificate, createPrivateKey } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type TLSSocket } from 'node:tls';
import t from 'tap';
import {
  createAuthority,
  createRequest,
  fingerprint,
  issue,
  signRequest,
  type KeyPair,
} from '../../src/pki/authority.ts';

const NOW = new Date();
const HOUR = 3600 * 1000;

function node(commonName: string, sans: string[]): Parameters<typeof issue>[1] {
  return { commonName, sans, usages: ['server', 'client'], days: 365, organization: 'terrarium:node' };
}

async function handshake(server: KeyPair, client: KeyPair, ca: string): Promise<{ organization: string | undefined }> {
  let seen: (peer: TLSSocket) => void = () => undefined;
  const peer = new Promise<TLSSocket>((resolve) => (seen = resolve));
  const listener = createServer({ ...server, ca, requestCert: true, rejectUnauthorized: true }, (s) => seen(s));
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const socket = connect({ host: '127.0.0.1', port: (listener.address() as AddressInfo).port, ca, ...client });
  try {
    await once(socket, 'secureConnect');
    const organization = (await peer).getPeerCertificate().subject.O;
    return { organization: Array.isArray(organization) ? organization[0] : organization };
  } finally {
    socket.destroy();
    listener.close();
  }
}

t.test('an authority is a CA of its cluster for ten years and reaches an hour back', async (t) => {
  const authority = await createAuthority('c1', NOW);
  const cert = new X509Certificate(authority.cert);
  t.equal(cert.subject, 'CN=terrarium-ca c1');
  t.ok(cert.ca);
  t.ok(cert.verify(cert.publicKey));
  t.equal(Math.round((NOW.getTime() - Date.parse(cert.validFrom)) / HOUR), 1);
  t.ok(Date.parse(cert.validTo) > NOW.getTime() + 3650 * 24 * HOUR);
  t.ok(cert.checkPrivateKey(createPrivateKey(authority.key)));
});

t.test('a signed request opens mutual TLS by IPv4, IPv6 and DNS names', async (t) => {
  const authority = await createAuthority('c1', NOW);
  const { csr, key } = await createRequest('n1');
  const cert = await signRequest(authority, csr, node('n1', ['127.0.0.1', 'fd00::1', 'n1']), NOW);
  const parsed = new X509Certificate(cert);
  t.ok(parsed.checkIP('fd00::1') !== undefined && parsed.checkIP('127.0.0.1') !== undefined);
  t.equal(parsed.checkHost('n1'), 'n1');
  t.ok(parsed.checkIssued(new X509Certificate(authority.cert)));
  const other = await issue(authority, node('n2', ['127.0.0.1']), NOW);
  t.same(await handshake({ cert, key }, other, authority.cert), { organization: 'terrarium:node' });
});

t.test('a certificate for another address, or of another authority, is refused', async (t) => {
  const authority = await createAuthority('c1', NOW);
  const stranger = await createAuthority('c1', NOW);
  const client = await issue(authority, node('n2', ['127.0.0.1']), NOW);
  await t.rejects(handshake(await issue(authority, node('n1', ['127.0.0.9']), NOW), client, authority.cert), {
    code: 'ERR_TLS_CERT_ALTNAME_INVALID',
  });
  await t.rejects(handshake(await issue(stranger, node('n1', ['127.0.0.1']), NOW), client, authority.cert));
});

t.test('name and addresses of a request are not believed', async (t) => {
  const authority = await createAuthority('c1', NOW);
  const { csr } = await createRequest('somebody-else');
  const cert = new X509Certificate(await signRequest(authority, csr, node('n1', ['10.0.0.1']), NOW));
  t.equal(cert.subject, 'O=terrarium:node\nCN=n1');
  t.equal(cert.subjectAltName, 'IP Address:10.0.0.1');
});

t.test('an altered request is refused', async (t) => {
  const authority = await createAuthority('c1', NOW);
  const { csr } = await createRequest('n1');
  const der = Buffer.from(csr.replace(/-----.*-----/g, ''), 'base64');
  // The last byte belongs to the signature.
  der[der.length - 1] = (der.at(-1) ?? 0) ^ 1;
  const altered = `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
  await t.rejects(signRequest(authority, altered, node('n1', []), NOW), { name: 'Failure', code: 'bad-request' });
  await t.rejects(signRequest(authority, 'nonsense', node('n1', []), NOW), { name: 'Failure', code: 'bad-request' });
});

t.test('usages are those asked for, and the fingerprint is that of the certificate', async (t) => {
  const authority = await createAuthority('c1', NOW);
  const { cert } = await issue(authority, { commonName: 'u', sans: [], usages: ['client'], days: 1 }, NOW);
  t.same(new X509Certificate(cert).keyUsage, ['1.3.6.1.5.5.7.3.2']);
  t.equal(
    fingerprint(authority.cert),
    `sha256:${new X509Certificate(authority.cert).fingerprint256.replaceAll(':', '').toLowerCase()}`,
  );
});
