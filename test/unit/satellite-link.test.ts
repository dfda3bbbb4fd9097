import t from 'tap';
import { createNkey, isSignedBy, nkeyOf, signByNkey } from '../../src/bus/nkey.ts';
import { createBackoff } from '../../src/satellite/enrol/backoff.ts';
import { inOrder, type Way } from '../../src/satellite/link.ts';

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
