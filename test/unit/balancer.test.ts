import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import t from 'tap';
import { backendPool, type Backend } from '../../src/agent/backends.ts';
import { startBalancer } from '../../src/agent/balancer.ts';

async function listen(answer: string): Promise<{ server: Server; backend: Backend }> {
  const server = createServer((s) => {
    s.on('error', () => undefined);
    s.write(answer);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, backend: { address: '127.0.0.1', port: (server.address() as AddressInfo).port } };
}

async function greeting(port: number): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port });
  const [data] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  return data.toString();
}

t.test('falls over to a server that lives', async (t) => {
  const one = await listen('one');
  const two = await listen('two');
  const pool = backendPool(
    '10.0.0.1',
    async () => true,
    () => undefined,
  );
  pool.replace([one.backend, two.backend]);
  const balancer = startBalancer({ host: '127.0.0.1', port: 0 }, pool, () => undefined);
  await once(balancer, 'listening');
  const { port } = balancer.address() as AddressInfo;
  t.match(await greeting(port), /one|two/);
  one.server.close();
  for (let i = 0; i < 10; i += 1) {
    t.equal(await greeting(port), 'two');
  }
  two.server.close();
  balancer.close();
});

t.test('cuts what hangs on a server that has gone silent', async (t) => {
  const one = await listen('one');
  let alive = true;
  const pool = backendPool(
    '10.0.0.1',
    async () => alive,
    () => undefined,
  );
  pool.replace([one.backend]);
  await pool.check();
  const balancer = startBalancer({ host: '127.0.0.1', port: 0 }, pool, () => undefined);
  await once(balancer, 'listening');
  const socket = connect({ host: '127.0.0.1', port: (balancer.address() as AddressInfo).port });
  socket.on('error', () => undefined);
  await once(socket, 'data');
  alive = false;
  await pool.check();
  t.equal(pool.list()[0]?.connections, 1, 'one missed answer is no death');
  await pool.check();
  await once(socket, 'close');
  t.strictSame(
    pool.list().map((e) => e.healthy),
    [false],
  );
  t.strictSame(pool.candidates(), [one.backend], 'it is still tried where there is no other');
  balancer.close();
  one.server.close();
});

t.test("prefers the node's own server, then healthy ones", async (t) => {
  const down = new Set(['10.0.0.2']);
  const pool = backendPool(
    '10.0.0.1',
    async (b) => !down.has(b.address),
    () => undefined,
  );
  pool.replace(['10.0.0.2', '10.0.0.3', '10.0.0.1'].map((address) => ({ address, port: 1 })));
  await pool.check();
  t.strictSame(
    pool.candidates().map((b) => b.address),
    ['10.0.0.1', '10.0.0.3', '10.0.0.2'],
  );
  down.add('10.0.0.1');
  await pool.check();
  await pool.check();
  t.equal(pool.candidates()[0]?.address, '10.0.0.3');
});
