import type { Cell, Result } from './result.ts';

/** A spreadsheet would take such a text for a formula, and who names a process could write one. */
const FORMULA = /^[=+\-@\t\r]/;

function harmless(text: string): string {
  return FORMULA.test(text) && !/^-?\d+(\.\d+)?$/.test(text) ? `'${text}` : text;
}

function csvField(cell: Cell | undefined): string {
  if (cell === null || cell === undefined) {
    return '';
  }
  if (typeof cell === 'number') {
    return String(cell);
  }
  const text = typeof cell === 'string' ? harmless(cell) : cell.blob;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/**
 * Lines of CSV (RFC 4180), the satellite first; null is an empty field, a blob its base64. Texts that a spreadsheet
 * would calculate get an apostrophe before them.
 */
export function* csvLines({ columns, rows }: Pick<Result, 'columns' | 'rows'>): Generator<string> {
  yield `${['satellite', ...columns].map(csvField).join(',')}\r\n`;
  for (const { sat, values } of rows) {
    yield `${csvField(sat)},${columns.map((_, i) => csvField(values[i])).join(',')}\r\n`;
  }
}

/** Names of columns that are all different: the second `a` is `a:1`, as SQLite does it. */
export function distinct(columns: string[]): string[] {
  const seen = new Map<string, number>();
  return columns.map((name) => {
    const n = seen.get(name) ?? 0;
    seen.set(name, n + 1);
    return n === 0 ? name : `${name}:${n}`;
  });
}

/** Lines `{"satellite", "row"}`, as `terrarium query --json` writes them. */
export function* jsonLines({ columns, rows }: Pick<Result, 'columns' | 'rows'>): Generator<string> {
  const names = distinct(columns);
  for (const { sat, values } of rows) {
    const row = Object.fromEntries(names.map((n, i) => [n, values[i] ?? null]));
    yield `${JSON.stringify({ satellite: sat, row })}\n`;
  }
}

/** Joins lines into pieces of about a megabyte: a browser takes a few large parts faster than many small ones. */
export function pieces(lines: Iterable<string>, size = 1 << 20): string[] {
  const all: string[] = [];
  let piece: string[] = [];
  let length = 0;
  for (const line of lines) {
    piece.push(line);
    length += line.length;
    if (length < size) {
      continue;
    }
    all.push(piece.join(''));
    piece = [];
    length = 0;
  }
  if (piece.length > 0) {
    all.push(piece.join(''));
  }
  return all;
}
