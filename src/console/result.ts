import type { QueryLine, QueryState } from '../cloud/api.ts';

type Cell = Extract<QueryLine, { rows: unknown[][] }>['rows'][number][number];

export interface Part {
  state: QueryState;
  rows: number;
  message?: string;
  truncated?: string;
}

/** What a query has brought so far. */
export interface Result {
  columns: string[];
  rows: { sat: string; values: Cell[] }[];
  total: number;
  parts: Map<string, Part>;
  ms?: number;
}

export function emptyResult(satellites: string[]): Result {
  return { columns: [], rows: [], total: 0, parts: new Map(satellites.map((s) => [s, { state: 'pending', rows: 0 }])) };
}

/** Takes one line into the result; keeps at most `limit` rows. */
export function addLine(result: Result, line: QueryLine, limit: number): void {
  if ('done' in line) {
    for (const [sat, state] of Object.entries(line.satellites)) {
      const part = result.parts.get(sat);
      if (part !== undefined) part.state = state;
    }
    result.ms = line.ms;
    return;
  }
  const part = result.parts.get(line.sat);
  if (part === undefined) return;
  if ('rows' in line) {
    if (line.columns !== undefined && result.columns.length === 0) result.columns = line.columns;
    part.rows += line.rows.length;
    result.total += line.rows.length;
    for (const values of line.rows.slice(0, Math.max(0, limit - result.rows.length))) result.rows.push({ sat: line.sat, values });
  } else if ('error' in line) {
    part.state = 'error';
    part.message = line.error.message;
  } else {
    part.state = part.rows > 0 ? 'rows' : 'empty';
    if (line.end.truncated !== undefined) part.truncated = line.end.truncated;
  }
}
