import t from 'tap';
import {
  axesOf,
  chartData,
  numericColumns,
  secondsOf,
  shortNumber,
  timeLabels,
} from '../../src/console/logic/chart-data.ts';
import type { Cell } from '../../src/console/logic/result.ts';

const rowsOf = (...rows: [string, ...Cell[]][]): { sat: string; values: Cell[] }[] =>
  rows.map(([sat, ...values]) => ({ sat, values }));

t.test('times of the tables are UTC, whatever zone the reader is in', async (t) => {
  t.equal(secondsOf('2026-01-02T03:04:05.500Z'), Date.UTC(2026, 0, 2, 3, 4, 5, 500) / 1000);
  t.equal(secondsOf('2026-01-02 03:04:05'), Date.UTC(2026, 0, 2, 3, 4, 5) / 1000);
  t.equal(secondsOf('2026-01-02T03:04:05+01:00'), Date.UTC(2026, 0, 2, 2, 4, 5) / 1000);
  for (const none of ['2026', 'cat 2026-01-02 03:04', 5, null, '2026-99-02T03:04:05Z']) {
    t.equal(secondsOf(none), undefined, String(none));
  }
});

t.test('a column of times is the first choice of axis', async (t) => {
  const result = {
    columns: ['name', 'busy', 'time'],
    rows: rowsOf(['n1', 'a', null, '2026-01-02T03:04:05Z'], ['n1', 'b', 2, '2026-01-02T03:04:15Z']),
  };
  t.same(numericColumns(result), [1]);
  t.same(axesOf(result), [{ kind: 'time', column: 2 }, { kind: 'row' }, { kind: 'number', column: 1 }]);
  t.same(axesOf({ columns: ['name'], rows: rowsOf(['n1', 'x']) }), [{ kind: 'row' }]);
});

t.test('satellites lie above each other along time', async (t) => {
  const result = {
    columns: ['time', 'busy', 'load'],
    rows: rowsOf(
      ['n1', '2026-01-02T00:00:10Z', 2, 20],
      ['n2', '2026-01-02T00:00:10Z', 5, 50],
      ['n1', '2026-01-02T00:00:00Z', 1, 10],
      ['n2', 'never', 9, 90],
    ),
  };
  const start = Date.UTC(2026, 0, 2) / 1000;
  const { series, data, left } = chartData(result, { kind: 'time', column: 0 }, [1]);
  t.same(
    series.map((s) => s.label),
    ['n1', 'n2'],
  );
  t.same(data, [
    [start, start + 10],
    [1, 2],
    [null, 5],
  ]);
  t.equal(left, 1);
  t.same(
    chartData(result, { kind: 'time', column: 0 }, [1, 2]).series.map((s) => s.label),
    ['n1 busy', 'n1 load', 'n2 busy', 'n2 load'],
  );
});

t.test('without an axis of their own rows are numbered, those of each satellite for themselves', async (t) => {
  const result = { columns: ['n'], rows: rowsOf(['n1', 7], ['n1', 8], ['n2', 9]) };
  t.same(chartData(result, { kind: 'row' }, [0]).data, [
    [1, 2],
    [7, 8],
    [9, null],
  ]);
  t.same(
    chartData({ columns: ['n'], rows: rowsOf(['n1', 7]) }, { kind: 'row' }, [0]).series.map((s) => s.label),
    ['n'],
  );
  t.same(
    chartData({ columns: ['x', 'y'], rows: rowsOf(['n1', 3, 30], ['n1', 1, 10]) }, { kind: 'number', column: 0 }, [1])
      .data,
    [
      [1, 3],
      [10, 30],
    ],
  );
});

t.test('a hundred thousand rows are put in order at once', async (t) => {
  const rows = Array.from({ length: 100_000 }, (_, i) => ({ sat: `n${i % 3}`, values: [i] }));
  const began = performance.now();
  t.equal(chartData({ columns: ['n'], rows }, { kind: 'row' }, [0]).data[0].length, 33_334);
  t.ok(performance.now() - began < 5_000);
});

t.test('numbers are short on an axis', async (t) => {
  t.same([0, 1.23456, 999, 1500, 20_000_000, -3e9, 4.2e12].map(shortNumber), [
    '0',
    '1.235',
    '999',
    '1.5 k',
    '20 M',
    '-3 G',
    '4.2 T',
  ]);
});

t.test('an axis of time is in UTC and names the days', async (t) => {
  const at = Date.UTC(2026, 0, 2, 23, 59) / 1000;
  t.same(timeLabels([at, at + 60, at + 120], 60), ['23:59\n2026-01-02', '00:00\n2026-01-03', '00:01']);
  t.same(timeLabels([at + 5, at + 10], 5), ['23:59:05\n2026-01-02', '23:59:10']);
  t.same(timeLabels([at + 60], 86_400), ['2026-01-03']);
});
