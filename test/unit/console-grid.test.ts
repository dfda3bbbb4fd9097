import t from 'tap';
import { cellText, isNumeric, widthsOf, windowOf } from '../../src/console/logic/grid.ts';

t.test('of any number of rows some dozens are drawn, and all can be reached', async (t) => {
  t.same(windowOf(0, 600, 28, 5), { first: 0, end: 5 });
  t.same(windowOf(0, 600, 28, 0), { first: 0, end: 0 });
  const middle = windowOf(28 * 50_000, 600, 28, 100_000);
  t.ok(middle.first <= 50_000 && middle.end >= 50_022);
  t.ok(middle.end - middle.first < 100);
  t.equal(windowOf(28 * 99_990, 600, 28, 100_000).end, 100_000);
  t.equal(windowOf(0, 600, 28, 1000).first % 2, 0);
  // Scrolled far, then a shorter result came.
  const shorter = windowOf(28 * 90_000, 600, 28, 10);
  t.ok(shorter.first >= 0 && shorter.first < shorter.end && shorter.end === 10);
});

t.test('values are one line of text', async (t) => {
  t.same([null, undefined, 1.5, 'x', { blob: 'AP8=' }].map(cellText), ['null', 'null', '1.5', 'x', 'blob AP8=']);
});

t.test('widths and alignment come from names and first rows', async (t) => {
  const rows = [
    { sat: 'n1', values: [null, 'x'.repeat(500), 'ab'] },
    { sat: 'n1', values: [12, 1, 'abcdefgh'] },
  ];
  t.same(widthsOf(['n', 'long', 'text'], rows), [5, 48, 8]);
  t.same(
    [0, 1, 2].map((i) => isNumeric(i, rows)),
    [true, false, false],
  );
  t.equal(isNumeric(0, [{ sat: 'n1', values: [null] }]), false, 'nothing is no number');
});
