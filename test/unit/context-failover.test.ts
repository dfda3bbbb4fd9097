import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { createCloudClient } from '../../src/context/client.ts';
import type { Context } from '../../src/context/context.ts';
import { createAuthority, issue } from '../../src/pki/authority.ts';

interface Asked {
  plane: string;
  command: string | undefined;
}

/** Control planes that say they are ready and answer everything else by their status. */
async function planes(t: Test, ...statuses: number[]): Promise<{ context: Context; asked: Asked[] }> {
  const now = new Date();
  const authority = await createAuthority('test', now);
  const asked: Asked[] = [];
  let port = 0;
  const servers: Server[] = [];
  const controlPlanes = statuses.map((_, i) => ({ name: `n${i + 1}`, address: `127.0.0.${i + 1}` }));
  for (const [i, plane] of controlPlanes.entries()) {
    const pair = await issue(
      authority,
      { commonName: plane.name, sans: [plane.address], usages: ['server'], days: 1 },
      now,
    );
    const server = createServer({ cert: pair.cert, key: pair.key }, (request, response) => {
      request.resume();
      if (request.url === '/readyz') {
        return void response.end('ok\n');
      }
      const status = statuses[i] ?? 0;
      asked.push({ plane: plane.name, command: request.headers['terrarium-command-id'] as string | undefined });
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(
        JSON.stringify(
          status < 400
            ? { by: plane.name }
            : {
                type: 'urn:terrarium:problem:store-disk-full',
                title: 'There is too little free space.',
                detail: `${plane.name} says so.`,
                status,
              },
        ),
      );
    });
    server.listen(port, plane.address);
    await once(server, 'listening');
    ({ port } = server.address() as AddressInfo);
    servers.push(server);
  }
  t.teardown(() => servers.forEach((s) => s.close()));
  return {
    asked,
    context: {
      name: 'test',
      clusterId: 'id',
      controlPlanes,
      ports: { api: 1, console: port },
      ca: authority.cert,
      caFingerprint: '',
      token: 'trr_x',
      kubeconfig: { ca: '', clientCertificate: '', clientKey: '' },
    },
  };
}

for (const status of [503, 507]) {
  t.test(`a change goes on to the next control plane after a ${status}, as the same change`, async (t) => {
    const { context, asked } = await planes(t, status, status, 200);
    t.same(await createCloudClient(context).change('POST', '/api/v1/users', { name: 'eva' }), { by: 'n3' });
    t.same(
      asked.map((a) => a.plane),
      ['n1', 'n2', 'n3'],
    );
    t.equal(new Set(asked.map((a) => a.command)).size, 1);
    t.match(asked[0]?.command, /^[0-9A-Z]{26}$/);
  });
}

t.test('where none has room, the last one says so', async (t) => {
  const { context, asked } = await planes(t, 507, 507);
  await t.rejects(createCloudClient(context).change('POST', '/api/v1/users', { name: 'eva' }), {
    code: 'store-disk-full',
    message: 'There is too little free space.',
    remedy: 'n2 says so.',
  });
  t.same(
    asked.map((a) => a.plane),
    ['n1', 'n2'],
  );
});

t.test('what is wrong with the request itself is not asked again elsewhere', async (t) => {
  const { context, asked } = await planes(t, 409, 200);
  await t.rejects(createCloudClient(context).change('POST', '/api/v1/users', { name: 'eva' }), {
    code: 'store-disk-full',
  });
  t.same(
    asked.map((a) => a.plane),
    ['n1'],
  );
});
