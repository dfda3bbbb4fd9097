import { getEventListeners, once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mock } from 'node:test';
import type { NatsConnection } from '@nats-io/transport-node';
import t from 'tap';
import { createNkey, isSignedBy, nkeyOf, signByNkey } from '../../src/bus/nkey.ts';
import { createBackoff } from '../../src/satellite/enrol/backoff.ts';
import { ensureNkey } from '../../src/satellite/enrol/nkey.ts';
import { createHandover, inOrder, keepLink, type Way } from '../../src/satellite/link.ts';
import { dialWay } from '../../src/satellite/ways.ts';

const ways: Way[] = [
  { kind: 'tls', address: 'a' },
  { kind: 'websocket', address: 'c' },
  { kind: 'tls', address: 'b' },
];
const text = (list: Way[]): string => list.map((w) => w.address).join('');

t.test(
  'TLS first, then WebSocket; the other way round where only that has passed; the servers by chance',
  async (t) => {
    let n = 0;
    const random = (): number => [0.9, 0.1, 0.5][(n += 1) % 3] ?? 0;
    t.equal(text(inOrder(ways, false, random)), 'abc');
    t.equal(text(inOrder(ways, true, random)), 'cab');
    const seen = new Set(Array.from({ length: 100 }, () => text(inOrder(ways, false, Math.random))));
    t.same([...seen].sort(), ['abc', 'bac']);
  },
);

t.test('already the first wait is a random part of a span', async (t) => {
  const waits = [0, 0.5, 0.999].map((r) => createBackoff(() => r, 8_000).next());
  t.same(waits, [1000, 4500, 7993]);
  const all = createBackoff(() => 0.9999999, 8_000);
  t.same(
    Array.from({ length: 4 }, () => all.next()),
    [8000, 16_000, 30_000, 30_000],
  );
});

t.test('an nkey signs, and nobody else in its name', async (t) => {
  const [one, other] = [createNkey(), createNkey()];
  t.match(one, { seed: /^SU[A-Z2-7]{56}$/, publicKey: /^U[A-Z2-7]{55}$/ });
  t.same(nkeyOf(`${one.seed}\n`), one);
  const signature = signByNkey(one, 'a request');
  t.ok(isSignedBy(one.publicKey, 'a request', signature));
  t.notOk(isSignedBy(one.publicKey, 'another', signature));
  t.notOk(isSignedBy(other.publicKey, 'a request', signature));
  t.notOk(isSignedBy('UNONSENSE', 'a request', signature));
  t.notOk(isSignedBy(one.publicKey, 'a request', 'AAAA'));
});

t.test('after tries in vain it is more patient, and after a success as before', async (t) => {
  const patience: number[] = [];
  const stop = new AbortController();
  mock.timers.enable({ apis: ['setTimeout'] });
  t.teardown(() => mock.timers.reset());
  const linked = keepLink({
    ways: () => [{ kind: 'tls', address: 'a:1' }],
    async dial(_, patienceMs) {
      patience.push(patienceMs);
      if (patience.length === 7) {
        stop.abort();
      }
      if (patience.length !== 5) {
        throw new Error('no answer');
      }
      return { closed: () => Promise.resolve(), close: () => Promise.resolve() } as unknown as NatsConnection;
    },
    serve: () => ({ stop: () => undefined, retire: () => Promise.resolve() }),
    handover: createHandover(),
    signal: stop.signal,
    log: () => undefined,
    random: () => 0,
  });
  while (!stop.signal.aborted) {
    await new Promise(setImmediate);
    mock.timers.tick(1_000);
  }
  await linked;
  t.same(patience, [5_000, 10_000, 20_000, 20_000, 20_000, 5_000, 10_000]);
});

t.test('a connection leaves nothing behind at the signal that all of them have', async (t) => {
  const stop = new AbortController();
  mock.timers.enable({ apis: ['setTimeout'] });
  t.teardown(() => mock.timers.reset());
  const listeners: number[] = [];
  const linked = keepLink({
    ways: () => [{ kind: 'tls', address: 'a:1' }],
    dial() {
      listeners.push(getEventListeners(stop.signal, 'abort').length);
      if (listeners.length === 4) {
        stop.abort();
      }
      return Promise.resolve({
        closed: () => Promise.resolve(),
        close: () => Promise.resolve(),
      } as unknown as NatsConnection);
    },
    serve: () => ({ stop: () => undefined, retire: () => Promise.resolve() }),
    handover: createHandover(),
    signal: stop.signal,
    log: () => undefined,
    random: () => 0,
  });
  while (!stop.signal.aborted) {
    await new Promise(setImmediate);
    mock.timers.tick(1_000);
  }
  await linked;
  t.same(new Set(listeners), new Set([0]));
});

t.test('a try by WebSocket has the patience that it is given', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'terrarium-dial-'));
  ensureNkey(dir, undefined);
  writeFileSync(join(dir, 'ca.crt'), '');
  const sockets: Socket[] = [];
  const silent = createServer((socket) => sockets.push(socket)).listen(0, '127.0.0.1');
  t.teardown(() => {
    for (const socket of sockets) {
      socket.destroy();
    }
    silent.close();
    rmSync(dir, { recursive: true });
  });
  await once(silent, 'listening');
  const address = `127.0.0.1:${(silent.address() as AddressInfo).port}`;
  const began = performance.now();
  await t.rejects(dialWay({ kind: 'websocket', address }, { dir, patienceMs: 200, name: 'test', env: {} }));
  t.ok(performance.now() - began < 4_500, 'not that of any other try, which is 5 s');
});
