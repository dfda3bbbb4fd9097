import assert from 'node:assert/strict';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import t from 'tap';
import type { QueryLine } from '../../src/api/queries.ts';
import type { Value } from '../../src/bus/frames.ts';
import { arrivalOrder, mergeOrder, orderedSql, type OrderBy } from '../../src/cloud/line-order.ts';

const seed = Number(process.env['TERRARIUM_SEED'] ?? 20261121);
const columns = ['a', 'b'];
const value: fc.Arbitrary<Value> = fc.oneof(
  fc.constant(null),
  fc.integer({ min: -3, max: 3 }),
  fc.constantFrom('', 'a', 'B', 'é', '😀', '\uffff'),
  fc.constantFrom('', 'AQ==', '/w==').map((blob) => ({ blob })),
);
const stored = (v: Value): unknown => (v !== null && typeof v === 'object' ? Buffer.from(v.blob, 'base64') : v);
const shown = (v: unknown): Value => (Buffer.isBuffer(v) ? { blob: v.toString('base64') } : (v as Value));

/** What SQLite makes of the statement over these rows, which may be of one satellite or of all. */
function bySqlite(rows: [string, Value, Value][], sql: string): { sat: string; row: Value[] }[] {
  const db = new Database(':memory:');
  try {
    db.exec('CREATE TABLE t (sat, a, b)');
    const insert = db.prepare('INSERT INTO t VALUES (?, ?, ?)');
    for (const [sat, a, b] of rows) {
      insert.run(sat, stored(a), stored(b));
    }
    return (db.prepare(sql).raw().all() as unknown[][]).map(([sat, ...row]) => ({
      sat: sat as string,
      row: row.map(shown),
    }));
  } finally {
    db.close();
  }
}

t.test('the rows of all satellites come as one SQLite would order them, whatever comes when', async (t) => {
  const orders = fc.array(fc.record({ column: fc.constantFrom('a', 'b'), descending: fc.boolean() }), {
    minLength: 1,
    maxLength: 2,
  });
  const input = fc.record({
    rows: fc.array(fc.tuple(fc.constantFrom('s1', 's2', 's3'), value, value), { maxLength: 40 }),
    order: orders,
    limit: fc.integer({ min: 1, max: 50 }),
    batch: fc.integer({ min: 1, max: 4 }),
    turns: fc.infiniteStream(fc.nat(2)),
  });
  fc.assert(
    fc.property(input, ({ rows, order, limit, batch, turns }) => {
      const sats = ['s1', 's2', 's3'];
      const queues = sats.map((sat): QueryLine[] => {
        const own = bySqlite(
          rows.filter((r) => r[0] === sat),
          `SELECT sat, * FROM (${orderedSql('SELECT a, b, sat FROM t; ', order, limit)})`,
        ).map((r) => r.row.slice(0, 2));
        const batches = Array.from({ length: Math.max(1, Math.ceil(own.length / batch)) }, (_, i) =>
          own.slice(i * batch, (i + 1) * batch),
        );
        return [
          ...batches.map((b, seq): QueryLine => ({ q: 'q', sat, seq, ...(seq === 0 ? { columns } : {}), rows: b })),
          { q: 'q', sat, end: { rows: own.length, ms: 1 } },
        ];
      });
      const merged = mergeOrder(sats, order, limit);
      const got: { sat: string; row: Value[] }[] = [];
      const ends: string[] = [];
      const take = (): void => {
        for (let given = merged.next(); given !== undefined; given = merged.next()) {
          const { line } = given;
          if ('rows' in line && 'sat' in line) {
            got.push(...line.rows.map((row) => ({ sat: line.sat, row })));
          }
          if ('end' in line) {
            ends.push(line.sat);
          }
        }
      };
      for (const turn of turns) {
        if (queues.every((q) => q.length === 0)) {
          break;
        }
        const line = queues[turn]?.shift();
        if (line === undefined) {
          continue;
        }
        merged.push(line);
        take();
      }
      const terms = order.map((o) => `${o.column}${o.descending ? ' DESC' : ''}`).join(', ');
      const wanted = bySqlite(rows, `SELECT sat, a, b FROM t ORDER BY ${terms}, sat LIMIT ${limit}`);
      // Equal rows of one satellite may stand either way round; the values by which they are ordered may not.
      const keys = (all: { sat: string; row: Value[] }[]): unknown =>
        all.map(({ sat, row }) => [sat, ...order.map((o) => row[columns.indexOf(o.column)])]);
      assert.deepStrictEqual(keys(got), keys(wanted));
      assert.deepStrictEqual(ends.sort(), sats);
    }),
    { seed, numRuns: 500 },
  );
  t.pass();
});

t.test(
  'nothing is given before every satellite has said something, and a batch is spent when its last row is given',
  async (t) => {
    const merged = mergeOrder(['s1', 's2'], [{ column: 'A', descending: true }], 3);
    merged.push({
      q: 'q',
      sat: 's1',
      seq: 0,
      columns,
      rows: [
        [9, 0],
        [5, 0],
        [4, 0],
      ],
    });
    t.equal(merged.next(), undefined);
    merged.push({
      q: 'q',
      sat: 's2',
      seq: 0,
      columns,
      rows: [
        [7, 0],
        [6, 0],
      ],
    });
    t.same(merged.next(), { line: { q: 'q', sat: 's1', seq: 0, columns, rows: [[9, 0]] }, spent: [] });
    t.same(merged.next(), {
      line: {
        q: 'q',
        sat: 's2',
        seq: 0,
        columns,
        rows: [
          [7, 0],
          [6, 0],
        ],
      },
      spent: ['s2'],
    });
    t.equal(merged.next(), undefined);
    t.ok(merged.full(), 'that were three');
  },
);

t.test('a satellite that is lost does not hold the others up', async (t) => {
  const merged = mergeOrder(['s1', 's2'], [], 10);
  merged.push({ q: 'q', sat: 's2', seq: 0, columns, rows: [[1, 0]] });
  const error = { q: 'q', sat: 's1', error: { code: 'satellite.lost', message: 'gone' } };
  merged.push(error);
  t.same(merged.next(), { line: error, spent: [] });
  t.match(merged.next(), { line: { sat: 's2', rows: [[1, 0]] }, spent: ['s2'] });
  t.notOk(merged.full());
});

t.test('without an order lines are given as they come', async (t) => {
  const lines = arrivalOrder();
  lines.push({ q: 'q', sat: 's1', seq: 0, columns, rows: [[1, 0]] });
  t.match(lines.next(), { spent: ['s1'] });
  t.equal(lines.next(), undefined);
});

t.test('the statement is wrapped whatever it ends with, and a column that is not there is an error', async (t) => {
  const order: OrderBy[] = [{ column: 'sat', descending: false }];
  t.same(bySqlite([['s1', 1, 2]], orderedSql('select sat, a from t -- as it was ;', order, 5)), [
    { sat: 's1', row: [1] },
  ]);
  t.throws(
    () => bySqlite([], orderedSql('select a from t', [{ column: 'x`y', descending: true }], 5)),
    /no such column: x`y/,
  );
});
