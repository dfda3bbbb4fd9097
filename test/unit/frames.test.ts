import t from 'tap';
import { z } from 'zod';
import {
  batchFrameSchema,
  decode,
  decodeFrame,
  heartbeatSchema,
  isBatch,
  type Heartbeat,
} from '../../src/bus/frames.ts';
import { seeded } from '../support/seeded.ts';

const SEED = Number(process.env['TERRARIUM_SEED'] ?? 20261121);

t.test('a batch is what the schema calls one, whatever a satellite may send', async (t) => {
  const random = seeded(SEED);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const strict = z.strictObject(batchFrameSchema.shape);
  const values = [
    null,
    0,
    -1.5,
    1e300,
    Infinity,
    'text',
    '',
    '\u2028',
    true,
    [],
    {},
    { blob: 'YWJj' },
    { blob: '' },
    { blob: '!' },
    { blob: 1 },
    { blob: 'YWJj', more: 1 },
    [1],
  ] as const;
  const good = [null, 0, -1.5, 'text', { blob: 'YWJj' }] as const;
  const some = <T>(of: readonly T[]): T[] => Array.from({ length: Math.floor(random() * 4) }, () => pick(of));
  const fields: Record<string, () => unknown> = {
    q: () => pick(['abcdefgh12', 'short', 'x'.repeat(41), 'abcd-efgh1', 5, null]),
    sat: () => pick(['n1', 'a.b-c', '-a', 'A', 'x'.repeat(63), 'x'.repeat(64), '', 7]),
    seq: () => pick([0, 1, -1, 1.5, 2 ** 53, 2 ** 53 - 1, '1', null]),
    columns: () => pick([[], ['a'], ['a', 1], 'a', null]),
    rows: () => pick([[], [some(values)], some([some(values), some(values)]), [1], 'rows', null, { 0: [] }]),
    more: () => 1,
  };
  const counts = { batch: 0, other: 0 };
  for (let n = 0; n < 5_000; n += 1) {
    const value: Record<string, unknown> = { q: 'abcdefgh12', sat: 'n1', seq: n, rows: [some(good), some(good)] };
    for (let m = Math.floor(random() * 3); m > 0; m -= 1) {
      const key = pick(Object.keys(fields));
      if (random() < 0.2) {
        delete value[key];
      } else {
        value[key] = fields[key]?.();
      }
    }
    // As it comes from JSON.
    const sent = JSON.parse(JSON.stringify(value)) as object;
    const expected = strict.safeParse(sent).success;
    counts[expected ? 'batch' : 'other'] += 1;
    if (isBatch(sent) !== expected) {
      return t.fail(`TERRARIUM_SEED=${SEED}: ${JSON.stringify(sent)} is ${expected ? 'one' : 'none'} by the schema`);
    }
  }
  t.ok(counts.batch > 500 && counts.other > 500, `5000 frames: ${JSON.stringify(counts)}`);
  t.notOk(
    isBatch(JSON.parse('{"q":"abcdefgh12","sat":"n1","seq":0,"rows":[[1e999]]}') as object),
    'JSON can say a number that is none',
  );
});

t.test('only what is a batch and one line is passed on as it came', async (t) => {
  const batch = '{"q":"abcdefgh12","sat":"n1","seq":0,"rows":[["a"]]}';
  t.same(decodeFrame(batch), { frame: JSON.parse(batch), text: batch });
  for (const other of [
    batch.replace(',', ',\n'),
    ` ${batch}`,
    batch.replace('"sat":"n1",', '').replace('{', '{"sat":"n1",'),
  ]) {
    t.same(decodeFrame(other), { frame: JSON.parse(batch) });
  }
  t.same(decodeFrame(batch.replace('}', ',"more":1}')), { frame: JSON.parse(batch) }, 'what is unknown is left out');
  const end = { q: 'abcdefgh12', sat: 'n1', seq: 1, end: { rows: 1, ms: 2 } };
  t.same(decodeFrame(JSON.stringify(end)), { frame: end });
  for (const bad of ['', 'null', '5', '[]', '{', '{"q":"abcdefgh12"}']) {
    t.equal(decodeFrame(bad), undefined, bad);
  }
});

const BEAT: Heartbeat = {
  id: 'n1',
  node: 'n1',
  version: '1',
  addresses: ['10.0.0.1'],
  tables: [],
  load: [0, 0, 0],
  startedAt: '2026-11-21T12:00:00.000Z',
};

t.test('a heartbeat has no time that is none', async (t) => {
  for (const [certificateEnds, good] of [
    [0, true],
    [8_640_000_000_000_000, true],
    [8_640_000_000_000_001, false],
    [Number.MAX_SAFE_INTEGER, false],
    [-1, false],
    [1.5, false],
  ] as const) {
    const beat = decode(heartbeatSchema, JSON.stringify({ ...BEAT, certificateEnds }));
    t.equal(beat !== undefined, good, String(certificateEnds));
    if (beat !== undefined) {
      t.ok(new Date(beat.certificateEnds ?? Number.NaN).toISOString());
    }
  }
});
