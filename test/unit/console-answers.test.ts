import { once } from 'node:events';
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { storeConsoleTls, storedConsoleTls } from '../../installer/node/console-tls.ts';
import { consoleAnswers } from '../../installer/node/console.ts';
import { createAuthority, issue } from '../../src/pki/authority.ts';
import { testSpec } from '../fixtures/spec.ts';

t.test('the console answers with the customer’s own certificate, given without its CA', async (t) => {
  const customer = await createAuthority('customer', new Date());
  const shown = await issue(
    customer,
    { commonName: 'console.example.com', sans: ['console.example.com'], usages: ['server'], days: 1 },
    new Date(),
  );
  const server = createServer(shown, (request, response) =>
    response.writeHead(request.url === '/readyz' ? 200 : 404).end(),
  ).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const base = testSpec(1);
  const spec = {
    ...base,
    data: t.testdir({ pki: {} }),
    ports: { ...base.ports, console: (server.address() as AddressInfo).port },
  };
  const node = { name: 'n1', address: '127.0.0.1', role: 'control-plane' as const };
  writeFileSync(`${spec.data}/pki/ca.crt`, (await createAuthority(spec.id, new Date())).cert);
  t.equal(storedConsoleTls(spec), undefined);
  t.match(await consoleAnswers(spec, node), /certificate/, 'a stranger is not believed');
  mkdirSync(`${spec.data}/cloud`);
  storeConsoleTls(spec, shown, process.getuid?.());
  t.same(storedConsoleTls(spec), shown);
  t.equal(statSync(`${spec.data}/cloud/tls/console.key`).mode & 0o777, 0o600);
  t.equal(await consoleAnswers(spec, node), undefined);
});
