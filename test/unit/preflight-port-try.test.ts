import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import t, { type Test } from 'tap';
import { tryPort } from '../../installer/preflight/matrix/connect.ts';
import type { Peer } from '../../installer/preflight/matrix/protocol.ts';

const NONCE = '0123456789abcdef';

/** A peer's listener that leaves its first connections unanswered, as a machine does that has no time. */
async function silentAtFirst(t: Test, silent: number): Promise<{ peer: Peer; port: number; tries: () => number }> {
  let tries = 0;
  const server: Server = createServer((socket) => {
    tries += 1;
    socket.on('error', () => undefined);
    if (tries > silent) {
      socket.on('data', () => socket.write(`pong ${NONCE} ${Date.now()}\n`));
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  return {
    peer: {
      name: 'n2',
      address: '127.0.0.1',
      ports: [],
      bound: [port],
      nonce: NONCE,
      synPort: port,
      sequence: '',
      option: '',
    },
    port,
    tries: () => tries,
  };
}

t.test('a port that does not answer once is tried again', async (t) => {
  const { peer, port, tries } = await silentAtFirst(t, 1);
  const { result, socket } = await tryPort(peer, 'api', port, undefined);
  socket?.destroy();
  t.same(result, { name: 'api', port, outcome: 'open' });
  t.equal(tries(), 2);
});

t.test('one that never answers is blocked; a stranger who does is not tried again', async (t) => {
  const { peer, port, tries } = await silentAtFirst(t, Infinity);
  t.same((await tryPort(peer, 'api', port, undefined)).result, { name: 'api', port, outcome: 'timeout' });
  t.equal(tries(), 2);
  const stranger = await silentAtFirst(t, 0);
  t.same((await tryPort({ ...stranger.peer, nonce: 'f'.repeat(16) }, 'api', stranger.port, undefined)).result, {
    name: 'api',
    port: stranger.port,
    outcome: 'stranger',
  });
  t.equal(stranger.tries(), 1);
});
