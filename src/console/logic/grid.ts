import type { Cell, Row } from './result.ts';

export interface Window {
  /** Index of the first row to be drawn, and of the first one after the last. */
  first: number;
  end: number;
}

/**
 * Which rows of a long table have to be there, so that the page holds some dozens and not all of them.
 * @param scrolled, height, row pixels: what is scrolled away, what is seen, one row.
 * @param around rows more on either side, for fast scrolling.
 */
export function windowOf(scrolled: number, height: number, row: number, total: number, around = 20): Window {
  const end = Math.min(total, Math.ceil((scrolled + height) / row) + around);
  // An even first row keeps the stripes where they are.
  const first = Math.max(0, Math.min(Math.floor(scrolled / row) - around, end - 1) & ~1);
  return { first, end };
}

const SAMPLE = 200;
const LEAST = 5;
const MOST = 48;

/** A cell as the table shows it, on one line. */
export function cellText(cell: Cell | undefined): string {
  if (cell === null || cell === undefined) {
    return 'null';
  }
  if (typeof cell === 'object') {
    return `blob ${cell.blob}`;
  }
  return String(cell);
}

/**
 * Widths of columns in characters, from their names and the first rows; they stay as they are while rows come and go.
 */
export function widthsOf(columns: readonly string[], rows: readonly Row[]): number[] {
  return columns.map((name, i) => {
    let widest = name.length;
    for (const row of rows.slice(0, SAMPLE)) {
      widest = Math.max(widest, cellText(row.values[i]).length);
    }
    return Math.min(MOST, Math.max(LEAST, widest));
  });
}

/** A column of numbers stands to the right: judged by the first rows that have a value. */
export function isNumeric(column: number, rows: readonly Row[]): boolean {
  let seen = false;
  for (const { values } of rows.slice(0, SAMPLE)) {
    const value = values[column] ?? null;
    if (value === null) {
      continue;
    }
    if (typeof value !== 'number') {
      return false;
    }
    seen = true;
  }
  return seen;
}
