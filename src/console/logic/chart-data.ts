import { isNumeric } from './grid.ts';
import type { Cell, Result } from './result.ts';

type Rows = Pick<Result, 'columns' | 'rows'>;

/** Indexes of the columns whose values are numbers. */
export function numericColumns({ columns, rows }: Rows): number[] {
  return columns.flatMap((_, i) => (isNumeric(i, rows) ? [i] : []));
}

/** Seconds since 1970 of a time as the satellites' tables write it; undefined for what is none. */
export function secondsOf(cell: Cell | undefined): number | undefined {
  if (typeof cell !== 'string' || !/^\d{4}-\d\d-\d\d[T ]\d\d:\d\d/.test(cell)) {
    return undefined;
  }
  // Without a zone a time of the tables is UTC.
  const ms = Date.parse(/(Z|[+-]\d\d:?\d\d)$/.test(cell) ? cell : `${cell.replace(' ', 'T')}Z`);
  return Number.isNaN(ms) ? undefined : ms / 1000;
}

/** What the horizontal axis is: the rows' numbers, a column of times, or a column of numbers. */
export type Axis = { kind: 'row' } | { kind: 'time' | 'number'; column: number };

/** Columns that can be the horizontal axis, the likeliest first. */
export function axesOf(result: Rows): Axis[] {
  const times = result.columns.flatMap((_, column): Axis[] => {
    const first = result.rows.find((r) => (r.values[column] ?? null) !== null);
    return first !== undefined && secondsOf(first.values[column]) !== undefined ? [{ kind: 'time', column }] : [];
  });
  return [...times, { kind: 'row' }, ...numericColumns(result).map((column): Axis => ({ kind: 'number', column }))];
}

export interface Series {
  label: string;
  sat: string;
  column: number;
}

export interface ChartData {
  series: Series[];
  /** The horizontal values, ascending, then one list for each series, null where it has none. */
  data: [number[], ...(number | null)[][]];
  /** Rows that were left out: without a place on the axis, or beyond the most that are drawn. */
  left: number;
}

/** Lines are still told apart, and points still drawn at once. */
export const MOST_SERIES = 24;
export const MOST_POINTS = 200_000;

/**
 * The numbers of some columns along an axis, a series for each satellite and column.
 * Of several rows of one satellite at the same place the last one counts.
 */
export function chartData(result: Rows, axis: Axis, columns: readonly number[]): ChartData {
  const satellites = [...new Set(result.rows.map((r) => r.sat))];
  const labelOf = (sat: string, column: string): string => {
    if (satellites.length === 1) {
      return column;
    }
    return columns.length === 1 ? sat : `${sat} ${column}`;
  };
  const series = satellites
    .flatMap((sat) =>
      columns.map((column): Series => ({
        sat,
        column,
        label: labelOf(sat, result.columns[column] ?? ''),
      })),
    )
    .slice(0, MOST_SERIES);
  const places = new Map<number, (number | null)[]>();
  const indexes = new Map<string, { series: number; column: number }[]>();
  for (const [i, s] of series.entries()) {
    indexes.set(s.sat, [...(indexes.get(s.sat) ?? []), { series: i, column: s.column }]);
  }
  const counters = new Map<string, number>();
  let left = 0;
  for (const { sat, values } of result.rows) {
    // Rows of each satellite are counted for themselves, so that theirs lie above each other.
    const number = (counters.get(sat) ?? 0) + 1;
    counters.set(sat, number);
    const cell = axis.kind === 'row' ? number : values[axis.column];
    const plain = typeof cell === 'number' ? cell : undefined;
    const x = axis.kind === 'time' ? secondsOf(cell) : plain;
    if (x === undefined || (places.size >= MOST_POINTS && !places.has(x))) {
      left += 1;
      continue;
    }
    let at = places.get(x);
    if (at === undefined) {
      places.set(x, (at = Array.from({ length: series.length }, () => null)));
    }
    for (const index of indexes.get(sat) ?? []) {
      const y = values[index.column];
      if (typeof y === 'number') {
        at[index.series] = y;
      }
    }
  }
  const xs = [...places.keys()].toSorted((a, b) => a - b);
  return { series, left, data: [xs, ...series.map((_, i) => xs.map((x) => places.get(x)?.[i] ?? null))] };
}

/** A number for an axis: 1.5 k, 20 M, 3 G. */
export function shortNumber(value: number): string {
  const size = Math.abs(value);
  for (const [factor, sign] of [
    [1e12, ' T'],
    [1e9, ' G'],
    [1e6, ' M'],
    [1e3, ' k'],
  ] as const) {
    if (size >= factor) {
      return `${Number((value / factor).toPrecision(4))}${sign}`;
    }
  }
  return String(Number(value.toPrecision(4)));
}

const DAY_S = 86_400;

/**
 * Labels of a time axis in UTC, as the tables write their times: the day where a new one begins, seconds where it is
 * that fine.
 */
export function timeLabels(seconds: readonly number[], step: number): string[] {
  let day = '';
  return seconds.map((s) => {
    const iso = new Date(s * 1000).toISOString();
    const date = iso.slice(0, 10);
    const time = iso.slice(11, step < 60 ? 19 : 16);
    const isNew = date !== day;
    day = date;
    if (step >= DAY_S) {
      return date;
    }
    return isNew ? `${time}\n${date}` : time;
  });
}
