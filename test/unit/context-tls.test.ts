import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { askConsole, reason } from '../../src/context/ask.ts';
import type { Context } from '../../src/context/context.ts';
import { createAuthority, issue, type KeyPair } from '../../src/pki/authority.ts';

const now = new Date();
const servers: Server[] = [];
let own: KeyPair;
let foreign: KeyPair;

async function serve(pair: KeyPair): Promise<number> {
  const server = createServer({ cert: pair.cert, key: pair.key }, (_, answer) => answer.end('ok'));
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

async function ask(port: number, extra: Partial<Context> = {}): Promise<string> {
  const context: Context = {
    name: 'test',
    clusterId: 'id',
    controlPlanes: [],
    ports: { api: 1, console: port },
    ca: own.cert,
    caFingerprint: '',
    token: 'trr_x',
    kubeconfig: { ca: '', clientCertificate: '', clientKey: '' },
    ...extra,
  };
  try {
    const answer = await askConsole(context, { name: 'n1', address: '127.0.0.1' }, '/');
    answer.destroy();
    return 'ok';
  } catch (error) {
    return reason(error);
  }
}

const leaf = (authority: KeyPair, ...sans: string[]): Promise<KeyPair> =>
  issue(authority, { commonName: 'x', sans, usages: ['server'], days: 1 }, now);

t.before(async () => {
  own = await createAuthority('own', now);
  foreign = await createAuthority('foreign', now);
});
t.after(() => servers.forEach((s) => s.close()));

t.test('a certificate of the cluster, by address or by name', async (t) => {
  t.equal(await ask(await serve(await leaf(own, '127.0.0.1'))), 'ok');
  t.equal(await ask(await serve(await leaf(own, 'n1'))), 'ok');
});

t.test('anybody else is refused, with the reason', async (t) => {
  t.equal(await ask(await serve(await leaf(own, 'n2', '127.0.0.2'))), 'its certificate is for another machine');
  t.equal(await ask(await serve(await leaf(foreign, '127.0.0.1'))), "its certificate is not of this cluster's CA");
  const past = await issue(
    own,
    { commonName: 'x', sans: ['127.0.0.1'], usages: ['server'], days: 1 },
    new Date(now.getTime() - 10 * 86_400_000),
  );
  t.equal(await ask(await serve(past)), 'its certificate has expired');
  t.equal(await ask(1), 'the connection was refused');
});

t.test("the customer's own certificate, given with its CA or alone", async (t) => {
  const pair = await leaf(foreign, 'console.example');
  const port = await serve(pair);
  t.equal(await ask(port, { consoleName: 'console.example', consoleCa: foreign.cert }), 'ok');
  t.equal(await ask(port, { consoleName: 'console.example', consoleCa: pair.cert }), 'ok');
  t.equal(await ask(port, { consoleCa: pair.cert }), 'ok', 'without a name given, by the names in it');
  t.equal(
    await ask(port, { consoleName: 'other.example', consoleCa: foreign.cert }),
    'its certificate is for another machine',
  );
  t.equal(await ask(port, { consoleName: 'console.example' }), "its certificate is not of this cluster's CA");
});

t.end();
