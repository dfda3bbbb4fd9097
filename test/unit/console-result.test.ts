import t from 'tap';
import { addLine, emptyResult } from '../../src/console/result.ts';

t.test('lines of several satellites make one result', async (t) => {
  const result = emptyResult(['n1', 'n2', 'n3']);
  const q = 'x';
  addLine(result, { q, sat: 'n1', seq: 0, columns: ['a'], rows: [[1], [2]] }, 3);
  addLine(result, { q, sat: 'n2', seq: 0, columns: ['a'], rows: [[3], [4]] }, 3);
  addLine(result, { q, sat: 'n1', end: { rows: 2, ms: 1 } }, 3);
  addLine(result, { q, sat: 'n2', end: { rows: 2, ms: 1, truncated: 'rows' } }, 3);
  addLine(result, { q, sat: 'n3', error: { code: 'satellite.lost', message: 'gone' } }, 3);
  t.same(result.rows.map((r) => r.values[0]), [1, 2, 3], 'no more rows than asked for');
  t.equal(result.total, 4);
  t.match(result.parts.get('n3'), { state: 'error', message: 'gone' });
  addLine(result, { q, done: true, satellites: { n1: 'rows', n2: 'rows', n3: 'lost' }, rows: 4, ms: 7 }, 3);
  t.match(result.parts.get('n2'), { state: 'rows', truncated: 'rows', rows: 2 });
  t.equal(result.parts.get('n3')?.state, 'lost');
  t.equal(result.ms, 7);
});
