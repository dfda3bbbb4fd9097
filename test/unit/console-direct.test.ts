import t from 'tap';
import type { QueryLine } from '../../src/api/queries.ts';
import type { DirectGrant } from '../../src/cloud/direct-api.ts';
import { runBothWays, type AnyLine, type Ways } from '../../src/console/direct.ts';

/** Lines of an answer, in pieces that end in the middle of lines. */
function answer(lines: object[], broken = false): Response {
  const text = lines.map((l) => `${JSON.stringify(l)}\n\n`).join('');
  const pieces = text.match(/[^]{1,17}/g) ?? [];
  return new Response(
    new ReadableStream({
      start(controller) {
        for (const piece of pieces) {
          controller.enqueue(new TextEncoder().encode(piece));
        }
        if (broken) {
          controller.error(new TypeError('network error'));
        } else {
          controller.close();
        }
      },
    }),
  );
}
const rows = (sat: string, n: number): object => ({
  q: 'abcdefgh',
  sat,
  seq: 0,
  columns: ['a'],
  rows: Array.from({ length: n }, (_, i) => [i]),
});
const end = (sat: string, n: number): object => ({ q: 'abcdefgh', sat, end: { rows: n, ms: 1 } });

let made = 0;
interface World {
  ways: Ways;
  lines: AnyLine[];
  asked: string[][];
  through: string[][];
  now: number;
  run(satellites: string[], more?: object): Promise<void>;
}

/** @param satellites what each one's own endpoint does; `undefined`: it has none */
function world(satellites: Record<string, (() => Promise<Response>) | undefined>): World {
  // What was not reached is remembered by name, for all queries of a page.
  made += 1;
  const w: World = {
    lines: [],
    asked: [],
    through: [],
    now: made * 1_000_000,
    ways: {
      async grants({ satellites: asked }) {
        w.asked.push(asked);
        return {
          q: 'abcdefgh',
          expiresAt: '',
          satellites: asked.map((sat): DirectGrant =>
            satellites[sat] === undefined ? { sat, reason: 'has none' } : { sat, url: `https://${sat}`, token: 't' },
          ),
        };
      },
      async cloud(body, onLine) {
        const sats = body.satellites ?? [];
        w.through.push(sats);
        for (const sat of sats) {
          onLine(rows(sat, 2) as QueryLine);
        }
        onLine({
          q: 'cloudquery',
          done: true,
          satellites: Object.fromEntries(sats.map((s) => [s, 'rows'])),
          rows: 2 * sats.length,
          ms: 5,
        } as QueryLine);
      },
      fetch: (url) => (satellites[url.slice('https://'.length)] ?? (() => Promise.reject(new TypeError('nobody'))))(),
      hostname: 'console.terrarium.internal',
      now: () => w.now,
    },
    run: (sats, more = {}) =>
      runBothWays(
        { sql: 'select 1', satellites: sats, ...more },
        (line) => w.lines.push(line),
        new AbortController().signal,
        w.ways,
      ),
  };
  return w;
}
const done = (w: World): unknown => w.lines.at(-1);
const vias = (w: World): AnyLine[] => w.lines.filter((l) => 'via' in l);

t.test('each satellite by the way that works, and one end for all', async (t) => {
  const w = world({
    a1: async () => answer([rows('a1', 3), end('a1', 3)]),
    a2: undefined,
    a3: async () => answer([{ ...rows('a3', 0) }, end('a3', 0)]),
    a4: () => Promise.reject(new TypeError('Failed to fetch')),
  });
  await w.run(['a1', 'a2', 'a3', 'a4']);
  t.same(w.through, [['a2', 'a4']]);
  t.match(
    vias(w).sort((x, y) => (JSON.stringify(x) < JSON.stringify(y) ? -1 : 1)),
    [
      { sat: 'a1', via: 'direct' },
      { sat: 'a2', via: 'cloud', reason: 'has none' },
      { sat: 'a3', via: 'direct' },
      { sat: 'a4', via: 'cloud', reason: /does not reach it by its name/ },
    ],
  );
  t.match(done(w), { done: true, rows: 7, satellites: { a1: 'rows', a2: 'rows', a3: 'empty', a4: 'rows' } });
  t.equal(w.lines.filter((l) => 'done' in l).length, 1);
});

t.test('what was not reached is not tried again for a minute', async (t) => {
  const w = world({ b1: () => Promise.reject(new TypeError('Failed to fetch')) });
  await w.run(['b1']);
  w.now += 30_000;
  await w.run(['b1']);
  t.same(w.asked, [['b1']]);
  w.now += 31_000;
  await w.run(['b1']);
  t.same(w.asked, [['b1'], ['b1']]);
  t.same(w.through, [['b1'], ['b1'], ['b1']]);
});

t.test('a refusal is told, and is no reason not to try again', async (t) => {
  const w = world({ c1: async () => new Response('{"title":"The clock of c1 is 40 s behind."}', { status: 401 }) });
  await w.run(['c1']);
  await w.run(['c1']);
  t.match(vias(w), [{ reason: 'The clock of c1 is 40 s behind.' }, { reason: 'The clock of c1 is 40 s behind.' }]);
});

t.test('rows that have come are not asked for again: one that breaks off is lost', async (t) => {
  const w = world({
    d1: async () => answer([rows('d1', 3)], true),
    d2: async () =>
      answer([rows('d2', 1), { q: 'abcdefgh', sat: 'd2', error: { code: 'query.timeout', message: 'late' } }]),
    d3: async () => answer([{ q: 'abcdefgh', sat: 'd3', error: { code: 'query.denied', message: 'no' } }]),
  });
  await w.run(['d1', 'd2', 'd3']);
  t.same(w.through, []);
  t.match(done(w), { satellites: { d1: 'lost', d2: 'error', d3: 'denied' } });
  t.match(
    w.lines.find((l) => 'error' in l && l.sat === 'd1'),
    { error: { code: 'satellite.lost' } },
  );
});

t.test('what goes through the cloud at once, and why', async (t) => {
  for (const [hostname, more, reason] of [
    ['10.0.0.1', {}, /not opened by its name/],
    ['[fd00::1]', {}, /not opened by its name/],
    ['localhost', {}, /not opened by its name/],
    ['console.x.y', { limit: 5 }, /merged/],
  ] as const) {
    const w = world({ e1: async () => answer([]) });
    w.ways.hostname = hostname;
    await w.run(['e1'], more);
    t.same(w.asked, []);
    t.match(vias(w), [{ sat: 'e1', via: 'cloud', reason }]);
  }
  const refused = world({ f1: async () => answer([]) });
  refused.ways.grants = () => Promise.reject(new Error('This instance cannot.'));
  await refused.run(['f1']);
  t.match(vias(refused), [{ reason: 'This instance cannot.' }]);
  const out = world({ g1: async () => answer([]) });
  out.ways.grants = () => Promise.reject(Object.assign(new Error('Log in.'), { status: 401 }));
  await t.rejects(out.run(['g1']), 'Log in.');
});
