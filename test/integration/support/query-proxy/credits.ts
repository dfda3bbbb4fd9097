import type { Test } from 'tap';
import { CREDITS, PART_CHARS, STILL_READ_MS, encode, messagesOf, type Frame } from '../../../../src/bus/frames.ts';
import { until } from '../../../support/local-cloud.ts';
import type { ProxyWorld } from './world.ts';

/** Registers the tests of credits: what a satellite may send, and when. */
export function creditTests(t: Test, world: ProxyWorld): void {
  t.test('what comes in parts costs as many credits, and all of them come back', (t) => partsCostCredits(t, world));
  t.test('credits come back as the reader takes batches, and only then', (t) => comeBackAsTheReaderTakes(t, world));
  t.test('what is under way is bounded for a query, not for each of its satellites', (t) => boundedForAQuery(t, world));
  t.test('who waits for another satellite hears that there is a reader, and goes on afterwards', (t) =>
    waitsForAnotherSatellite(t, world),
  );
}

async function partsCostCredits(t: Test, { fake, run }: ProxyWorld): Promise<void> {
  const cost = 4;
  let sent = 0;
  const s1 = await fake('s1', ({ q }, send, self) => {
    const value = 'x'.repeat((cost - 1) * PART_CHARS);
    const next = (): void => {
      while (self.credits > 0 && sent < 40) {
        for (const m of messagesOf(encode({ q, sat: 's1', seq: sent, rows: [[value]] }), { q, sat: 's1', seq: sent })) {
          send(JSON.parse(m) as Frame);
        }
        self.credits -= cost;
        sent += 1;
      }
      if (sent < 40) {
        setTimeout(next, 5);
      } else {
        send({ q, sat: 's1', seq: 40, end: { rows: 40, ms: 1 } });
      }
    };
    next();
  });
  const { done } = await run(['s1']);
  t.same([done.satellites, done.rows], [{ s1: 'rows' }, 40]);
  s1.stop();
}

async function comeBackAsTheReaderTakes(t: Test, { fake, run }: ProxyWorld): Promise<void> {
  const total = 200;
  let sent = 0;
  const s1 = await fake('s1', ({ q }, send, self) => {
    const pump = (): void => {
      while (self.credits > 0 && sent < total) {
        self.credits -= 1;
        send({ q, sat: 's1', seq: sent, rows: [[sent]] });
        sent += 1;
      }
      if (sent < total) {
        send({ q, sat: 's1', alive: true });
        setTimeout(pump, 5);
      } else {
        send({ q, sat: 's1', seq: total, end: { rows: total, ms: 1 } });
      }
    };
    pump();
  });
  const gate = Promise.withResolvers<void>();
  const running = run(['s1'], { write: () => gate.promise });
  await until('the first batches', () => (sent === CREDITS ? true : undefined));
  await new Promise((resolve) => setTimeout(resolve, 500));
  t.equal(sent, CREDITS, 'no more while nobody reads');
  gate.resolve();
  const { lines, done } = await running;
  t.same(done.satellites, { s1: 'rows' });
  t.same(
    lines.flatMap((l) => ('rows' in l && 'seq' in l ? l.rows.map((r) => r[0]) : [])),
    Array.from({ length: total }, (_, i) => i),
    'all of them, in order',
  );
  s1.stop();
}

async function boundedForAQuery(t: Test, { fake, run }: ProxyWorld): Promise<void> {
  for (const [asked, credits] of [
    [16, CREDITS],
    [17, 15],
    [100, 2],
    [1_000, 1],
  ] as const) {
    const total = 20;
    let sent = 0;
    const s1 = await fake('s1', ({ q }, send, self) => {
      const timer = setInterval(() => {
        send({ q, sat: 's1', alive: true });
        for (; self.credits > 0 && sent < total; sent += 1, self.credits -= 1) {
          send({ q, sat: 's1', seq: sent, rows: [[sent]] });
        }
        if (sent < total) {
          return;
        }
        clearInterval(timer);
        send({ q, sat: 's1', seq: sent, end: { rows: sent, ms: 1 } });
      }, 5);
    });
    const gate = Promise.withResolvers<void>();
    const running = run(['s1', ...Array.from({ length: asked - 1 }, (_, n) => `unknown${n}`)], {
      write: () => gate.promise,
    });
    await until(`what each of ${asked} may send`, () => (sent >= credits ? true : undefined));
    await new Promise((resolve) => setTimeout(resolve, 200));
    t.same([s1.requests[0]?.credits, sent], [credits, credits], `${asked} satellites`);
    gate.resolve();
    const { done } = await running;
    t.same([done.satellites['s1'], done.rows], ['rows', total], `all of them come when ${asked} are asked`);
    s1.stop();
  }
}

async function waitsForAnotherSatellite(t: Test, { fake, run }: ProxyWorld): Promise<void> {
  let sent = 0;
  const s1 = await fake('s1', ({ q }, send, self) => {
    const timer = setInterval(() => {
      send({ q, sat: 's1', alive: true });
      for (; self.credits > 0 && sent < CREDITS + 1; sent += 1, self.credits -= 1) {
        send({ q, sat: 's1', seq: sent, columns: ['a'], rows: [[sent]] });
      }
      if (sent < CREDITS + 1) {
        return;
      }
      clearInterval(timer);
      send({ q, sat: 's1', seq: sent, end: { rows: sent, ms: 1 } });
    }, 100);
  });
  // Until its first row nobody's can be given.
  let first = (): void => undefined;
  const s2 = await fake('s2', ({ q }, send) => {
    const timer = setInterval(() => send({ q, sat: 's2', alive: true }), 100);
    first = () => {
      clearInterval(timer);
      send({ q, sat: 's2', seq: 0, columns: ['a'], rows: [[1000]] });
      send({ q, sat: 's2', seq: 1, end: { rows: 1, ms: 1 } });
    };
  });
  const running = run(['s1', 's2'], {
    timeoutMs: 60_000,
    merge: { order: [{ column: 'a', descending: false }], limit: undefined },
  });
  await until('all that may be sent', () => (sent === CREDITS ? true : undefined));
  await until('two words of the reader', () => (s1.grants.length === 2 ? true : undefined), 2 * STILL_READ_MS + 5_000);
  t.same(s1.grants, [0, 0]);
  t.same([s2.grants, sent], [[], CREDITS], 'who could send hears nothing, and nothing more is sent');
  first();
  const { lines, done } = await running;
  t.same(done.satellites, { s1: 'rows', s2: 'rows' });
  t.same(
    lines.flatMap((l) => ('rows' in l && 'seq' in l ? l.rows.map((r) => r[0]) : [])),
    [...Array.from({ length: CREDITS + 1 }, (_, i) => i), 1000],
  );
  s1.stop();
  s2.stop();
}
