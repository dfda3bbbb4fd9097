import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { HttpProblem } from '../../src/cloud/http/problem.ts';
import { createCloudClient } from '../../src/context/client.ts';
import type { Context } from '../../src/context/context.ts';
import { survey } from '../../src/context/survey.ts';
import { explain, failureData } from '../../src/errors.ts';
import { createAuthority, issue, type KeyPair } from '../../src/pki/authority.ts';

const now = new Date();
let authority: KeyPair;
let server: Server;
let context: Context;
/** What it answers to anything but /readyz, and there. */
let answer: HttpProblem;
let ready: HttpProblem | undefined;

t.before(async () => {
  authority = await createAuthority('own', now);
  const { cert, key } = await issue(
    authority,
    { commonName: 'x', sans: ['127.0.0.1'], usages: ['server'], days: 1 },
    now,
  );
  server = createServer({ cert, key }, ({ url }, response) => {
    const said = url === '/readyz' ? ready : answer;
    response.writeHead(said?.problem.status ?? 200).end(JSON.stringify(said?.problem ?? 'ok'));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  context = {
    name: 'test',
    clusterId: 'id',
    controlPlanes: [{ name: 'n1', address: '127.0.0.1' }],
    ports: { api: 1, console: (server.address() as AddressInfo).port },
    ca: authority.cert,
    caFingerprint: '',
    token: 'trr_x',
    kubeconfig: { ca: authority.cert, clientCertificate: '', clientKey: '' },
  };
});
t.after(() => server.close());

async function failure(): Promise<ReturnType<typeof failureData>> {
  return createCloudClient(context)
    .get('/api/v1/users')
    .then(() => t.fail('it failed') as never, failureData);
}

t.test('a refusal of the cloud: its sentence, then what to do, and the machine where it is about that', async (t) => {
  answer = new HttpProblem(409, 'version-conflict', 'user/eva has version 7, not 3.', { detail: 'Read it again.' });
  t.strictSame(await failure(), {
    code: 'version-conflict',
    message: 'user/eva has version 7, not 3.',
    remedy: 'Read it again.',
  });
  answer = new HttpProblem(400, 'invalid-body', 'The request is not valid.', {
    errors: [{ path: 'name', message: 'Too long' }],
  });
  t.strictSame(await failure(), { code: 'invalid-body', message: 'The request is not valid. (name: Too long)' });
  answer = new HttpProblem(507, 'store-disk-full', 'There is too little free space on the disk of the cloud.', {
    detail: 'Free some.',
  });
  t.equal(explain(await failure()), 'n1: There is too little free space on the disk of the cloud. Free some.');
  answer = new HttpProblem(401, 'unauthorized', 'The API token has expired.');
  t.match(await failure(), { message: /n1.*The API token has expired\.$/, remedy: /terrarium install/ });
});

t.test('status says why a console is not ready, and not what to do instead of it', async (t) => {
  ready = new HttpProblem(503, 'store-stopped', 'The database is damaged.', { detail: 'Ask another control plane.' });
  t.equal((await survey(context)).planes[0]?.console.why, 'The database is damaged.');
});

t.end();
