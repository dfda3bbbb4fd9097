import t from 'tap';
import { addLine, countStates, describePart, emptyResult } from '../../src/console/logic/result.ts';

t.test('lines of several satellites make one result', async (t) => {
  const result = emptyResult(['n1', 'n2', 'n3']);
  const q = 'x';
  addLine(result, { q, sat: 'n1', seq: 0, columns: ['a'], rows: [[1], [2]] }, 3);
  addLine(result, { q, sat: 'n2', seq: 0, columns: ['a'], rows: [[3], [4]] }, 3);
  addLine(result, { q, sat: 'n1', end: { rows: 2, ms: 1 } }, 3);
  addLine(result, { q, sat: 'n2', end: { rows: 2, ms: 1, truncated: 'rows' } }, 3);
  addLine(result, { q, sat: 'n3', error: { code: 'satellite.lost', message: 'gone' } }, 3);
  t.same(
    result.rows.map((r) => r.values[0]),
    [1, 2, 3],
    'no more rows than asked for',
  );
  t.equal(result.total, 4);
  t.match(result.parts.get('n3'), { state: 'lost', message: 'gone' });
  addLine(result, { q, done: true, satellites: { n1: 'rows', n2: 'rows', n3: 'lost' }, rows: 4, ms: 7 }, 3);
  t.match(result.parts.get('n2'), { state: 'rows', truncated: 'rows', rows: 2 });
  t.equal(result.parts.get('n3')?.state, 'lost');
  t.equal(result.ms, 7);
});

t.test('columns of another release are found by name, and by which way rows come is told', (t) => {
  const result = emptyResult(['n1', 'n2']);
  const q = 'x';
  addLine(result, { sat: 'n1', via: 'direct' }, 10);
  addLine(result, { sat: 'n2', via: 'cloud', reason: 'its address does not answer' }, 10);
  addLine(result, { q, sat: 'n1', seq: 0, columns: ['a', 'b', 'a'], rows: [[1, 2, 3]] }, 10);
  addLine(result, { q, sat: 'n2', seq: 0, columns: ['b', 'c', 'a'], rows: [[20, 30, 10]] }, 10);
  t.same(result.columns, ['a', 'b', 'a', 'c']);
  t.same(
    result.rows.map((r) => r.values),
    [
      [1, 2, 3],
      [10, 20, null, 30],
    ],
  );
  t.match(result.parts.get('n1'), { via: 'direct', reason: undefined });
  t.match(result.parts.get('n2'), { via: 'cloud', reason: 'its address does not answer' });
  addLine(result, { sat: 'n2', via: 'direct' }, 10);
  t.equal(result.parts.get('n2')?.reason, undefined, 'the newer way counts');
  t.end();
});

t.test('a satellite that was not asked by name appears when it answers', (t) => {
  const result = emptyResult([]);
  addLine(result, { q: 'x', sat: 'n7', error: { code: 'query.denied', message: 'no' } }, 10);
  addLine(result, { q: 'x', sat: 'n8', error: { code: 'satellite.lost', message: 'gone' } }, 10);
  t.same(countStates(result).toSorted(), [
    ['denied', 1],
    ['lost', 1],
  ]);
  t.end();
});

t.test('the state of a part in words', (t) => {
  t.equal(describePart({ state: 'pending', rows: 0 }, true), 'waiting');
  t.equal(describePart({ state: 'pending', rows: 1 }, true), '1 row so far');
  t.equal(describePart({ state: 'pending', rows: 0 }, false), 'cancelled');
  t.equal(describePart({ state: 'pending', rows: 2000 }, false), '2,000 rows so far, cancelled');
  t.equal(
    describePart({ state: 'rows', rows: 10_000, truncated: 'rows' }, false),
    '10,000 rows, cut off by the limit of rows',
  );
  t.equal(describePart({ state: 'empty', rows: 0 }, false), 'no rows');
  t.equal(describePart({ state: 'lost', rows: 3 }, false), 'lost');
  t.end();
});
