import t from 'tap';
import { csvLines, distinct, jsonLines, pieces } from '../../src/console/logic/export.ts';

const result = {
  columns: ['name', 'n', 'name'],
  rows: [
    { sat: 'n1', values: ['plain', 1.5, null] },
    { sat: 'n,2', values: ['a "b"\nc', -3, { blob: 'AP8=' }] },
    { sat: 'n3', values: ['=HYPERLINK("x")', 0, '-12'] },
    { sat: 'n4', values: ['x'] },
  ],
};

t.test('CSV is quoted as RFC 4180 wants it, and nothing in it is calculated', async (t) => {
  t.same(
    [...csvLines(result)],
    [
      'satellite,name,n,name\r\n',
      'n1,plain,1.5,\r\n',
      '"n,2","a ""b""\nc",-3,AP8=\r\n',
      `n3,"'=HYPERLINK(""x"")",0,-12\r\n`,
      'n4,x,,\r\n',
    ],
  );
});

t.test('lines of JSON keep every value, also of columns with the same name', async (t) => {
  t.same(
    [...jsonLines(result)].map((line) => JSON.parse(line) as unknown),
    [
      { satellite: 'n1', row: { name: 'plain', n: 1.5, 'name:1': null } },
      { satellite: 'n,2', row: { name: 'a "b"\nc', n: -3, 'name:1': { blob: 'AP8=' } } },
      { satellite: 'n3', row: { name: '=HYPERLINK("x")', n: 0, 'name:1': '-12' } },
      { satellite: 'n4', row: { name: 'x', n: null, 'name:1': null } },
    ],
  );
  t.same(distinct(['a', 'b', 'a', 'a']), ['a', 'b', 'a:1', 'a:2']);
});

t.test('pieces are the same text in fewer parts', async (t) => {
  const lines = Array.from({ length: 1000 }, (_, i) => `line ${i}\n`);
  const parts = pieces(lines, 1000);
  t.equal(parts.join(''), lines.join(''));
  t.ok(parts.length > 5 && parts.length < 20, `${parts.length} pieces`);
  t.same(pieces([]), []);
});
