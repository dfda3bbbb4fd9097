import { mock } from 'node:test';
import type { NatsConnection } from '@nats-io/transport-node';
import t from 'tap';
import { createNkey, isSignedBy, nkeyOf, signByNkey } from '../../src/bus/nkey.ts';
import { createBackoff } from '../../src/satellite/enrol/backoff.ts';
import { createHandover, inOrder, keepLink, type Way } from '../../src/satellite/link.ts';

const ways: Way[] = [{ kind: 'tls', address: 'a' }, { kind: 'websocket', address: 'c' }, { kind: 'tls', address: 'b' }];
const text = (list: Way[]): string => list.map((w) => w.address).join('');

t.test('TLS first, then WebSocket; the other way round where only that has passed; the servers by chance', async (t) => {
  let n = 0;
  const random = (): number => [0.9, 0.1, 0.5][(n += 1) % 3] ?? 0;
  t.equal(text(inOrder(ways, false, random)), 'abc');
  t.equal(text(inOrder(ways, true, random)), 'cab');
  const seen = new Set(Array.from({ length: 100 }, () => text(inOrder(ways, false, Math.random))));
  t.same([...seen].sort(), ['abc', 'bac']);
});

t.test('already the first wait is a random part of a span', async (t) => {
  const waits = [0, 0.5, 0.999].map((r) => createBackoff(() => r, 8_000).next());
  t.same(waits, [1000, 4500, 7993]);
  const all = createBackoff(() => 0.9999999, 8_000);
  t.same(Array.from({ length: 4 }, () => all.next()), [8000, 16_000, 30_000, 30_000]);
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
      if (patience.length === 7) stop.abort();
      if (patience.length !== 5) throw new Error('no answer');
      return { closed: () => Promise.resolve(), close: () => Promise.resolve() } as unknown as NatsConnection;
    },
    serve: () => ({ stop: () => undefined, retire: () => Promise.resolve() }), handover: createHandover(), signal: stop.signal, log: () => undefined, random: () => 0,
  });
  while (!stop.signal.aborted) {
    await new Promise(setImmediate);
    mock.timers.tick(1_000);
  }
  await linked;
  t.same(patience, [5_000, 10_000, 20_000, 20_000, 20_000, 5_000, 10_000]);
});
