import { gunzipSync } from 'node:zlib';
import t from 'tap';
import type { QueryLine } from '../../src/api/queries.ts';
import { createRate } from '../../src/cloud/schedule-rate.ts';
import { packLines } from '../../src/cloud/schedule-rows.ts';
import { collectRun } from '../../src/cloud/schedule-run.ts';
import { PIECE_BYTES } from '../../src/store/schedule-limits.ts';

const rows = (sat: string, seq: number, values: string[]): QueryLine => ({
  q: 'q',
  sat,
  seq,
  ...(seq === 0 ? { columns: ['a'] } : {}),
  rows: values.map((v) => [v]),
});
const done = (satellites: Extract<QueryLine, { done: true }>['satellites'], n: number): QueryLine => ({
  q: 'q',
  done: true,
  satellites,
  rows: n,
  ms: 1,
});
const parsed = (lines: string[]): QueryLine[] => lines.map((line) => JSON.parse(line) as QueryLine);
const rowsIn = (lines: string[]): unknown[] => parsed(lines).flatMap((line) => ('seq' in line ? line.rows : []));

t.test('all lines of a run are kept, and summed up', async (t) => {
  const { sink, end, lines, bare } = collectRun();
  const all: QueryLine[] = [
    rows('n1', 0, ['x', 'y']),
    { q: 'q', sat: 'n1', end: { rows: 2, ms: 1 } },
    { q: 'q', sat: 'n2', error: { code: 'satellite.lost', message: 'n2 is not connected.' } },
    rows('n3', 0, []),
    { q: 'q', sat: 'n3', end: { rows: 0, ms: 1 } },
    done({ n1: 'rows', n2: 'lost', n3: 'empty' }, 2),
  ];
  for (const line of all) {
    await sink.write(line);
  }
  t.same(parsed(lines()), all);
  t.match(end(), {
    state: 'partial',
    reason: '1 of 3 satellites did not answer: n2 is not connected.',
    counts: { rows: 1, lost: 1, empty: 1 },
    failures: [{ satellite: 'n2', state: 'lost' }],
    rows: 2,
    kept: 2,
    cut: '',
  });
  t.same(rowsIn(bare()), []);
  t.equal(bare().length, all.length, 'without rows, what became of each satellite is still there');
  const failed = collectRun();
  await failed.sink.write(done({ n1: 'error', n2: 'denied' }, 0));
  t.match(failed.end(), { state: 'failed', counts: { error: 1, denied: 1 } });
});

t.test('rows beyond a limit are counted and not kept', async (t) => {
  const byRows = collectRun({ rows: 3, bytes: 1e6 });
  for (const line of [
    rows('n1', 0, ['a', 'b']),
    rows('n1', 1, ['c', 'd']),
    rows('n2', 0, ['e']),
    done({ n1: 'rows', n2: 'rows' }, 5),
  ]) {
    await byRows.sink.write(line);
  }
  t.same(rowsIn(byRows.lines()), [['a'], ['b'], ['c']]);
  t.match(byRows.end(), { state: 'done', rows: 5, kept: 3, cut: 'rows' });
  t.ok(
    parsed(byRows.lines()).some((l) => 'seq' in l && l.sat === 'n2' && l.rows.length === 0),
    'with its columns',
  );
  const byBytes = collectRun({ rows: 1000, bytes: 2000 });
  for (let seq = 0; seq < 20; seq += 1) {
    await byBytes.sink.write(
      rows(
        'n1',
        seq,
        Array.from({ length: 10 }, () => 'é'.repeat(20)),
      ),
    );
  }
  const { rows: came, kept, cut } = byBytes.end();
  t.match({ came, cut }, { came: 200, cut: 'bytes' });
  t.equal(rowsIn(byBytes.lines()).length, kept);
  const size = Buffer.byteLength(byBytes.lines().join('\n'));
  t.ok(kept > 20 && size < 2200, `${kept} rows, ${size} bytes`);
});

t.test('lines are packed into pieces that fit', async (t) => {
  const lines = Array.from({ length: 20_000 }, (_, n) => JSON.stringify({ n, v: Math.sin(n) }));
  const pieces = await packLines(lines);
  t.ok(pieces.length > 1 && pieces.every((p) => p.length > 0 && p.length <= PIECE_BYTES));
  t.equal(gunzipSync(Buffer.concat(pieces)).toString('utf8'), lines.map((l) => `${l}\n`).join(''));
});

t.test('what is written in a time is bounded, whatever the clock says', async (t) => {
  let now = 0;
  const rate = createRate({ bytesPerSecond: 100, burst: 1000 }, () => now);
  t.same([rate.take(600), rate.take(600), rate.take(400), rate.take(1)], [true, false, true, false]);
  now = 2_000;
  t.same([rate.take(201), rate.take(200)], [false, true]);
  now = 3_600_000;
  t.same([rate.take(1001), rate.take(1000)], [false, true], 'no more than a burst is saved up');
});
