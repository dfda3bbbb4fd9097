import type { QueryLine, QueryState } from '../../api/queries.ts';

export type Cell = Extract<QueryLine, { rows: unknown[][] }>['rows'][number][number];

/** By which way a satellite's rows come, and why not by the other one. */
export interface ViaLine {
  sat: string;
  via: 'direct' | 'cloud';
  reason?: string;
}

export interface Part {
  state: QueryState;
  rows: number;
  message?: string;
  truncated?: string;
  via?: ViaLine['via'];
  reason?: string;
  /** Where its columns lie among the result's, where not at the same place. */
  places?: number[];
}

export interface Row {
  sat: string;
  values: Cell[];
}

/** What a query has brought so far. */
export interface Result {
  columns: string[];
  rows: Row[];
  /** Rows that have come, those included that were not kept. */
  total: number;
  parts: Map<string, Part>;
  /** From the request to the last row, in milliseconds, as the cloud has seen it; set at the end. */
  ms?: number;
}

export function emptyResult(satellites: string[]): Result {
  return { columns: [], rows: [], total: 0, parts: new Map(satellites.map((s) => [s, { state: 'pending', rows: 0 }])) };
}

function partOf(result: Result, sat: string): Part {
  let part = result.parts.get(sat);
  if (part === undefined) {
    result.parts.set(sat, (part = { state: 'pending', rows: 0 }));
  }
  return part;
}

/**
 * Another release of a satellite may have other columns: they are found by name, and new ones are appended.
 * @returns the place of each among the result's columns; undefined where they are the same.
 */
function placesOf(result: Result, columns: string[]): number[] | undefined {
  if (result.columns.length === 0) {
    result.columns = [...columns];
  }
  if (columns.length === result.columns.length && columns.every((c, i) => c === result.columns[i])) {
    return undefined;
  }
  const taken = new Set<number>();
  return columns.map((name) => {
    let at = result.columns.findIndex((c, i) => c === name && !taken.has(i));
    if (at < 0) {
      at = result.columns.push(name) - 1;
    }
    taken.add(at);
    return at;
  });
}

function placed(values: Cell[], places: number[], width: number): Cell[] {
  const row: Cell[] = Array.from({ length: width }, () => null);
  for (const [i, place] of places.entries()) {
    row[place] = values[i] ?? null;
  }
  return row;
}

const STATE_OF_ERROR: Record<string, QueryState> = { 'query.denied': 'denied', 'satellite.lost': 'lost' };

/** Takes one line into the result; keeps at most `limit` rows. */
export function addLine(result: Result, line: QueryLine | ViaLine, limit: number): void {
  if ('done' in line) {
    for (const [sat, state] of Object.entries(line.satellites)) {
      partOf(result, sat).state = state;
    }
    result.ms = line.ms;
    return;
  }
  const part = partOf(result, line.sat);
  if ('via' in line) {
    part.via = line.via;
    if (line.reason === undefined) {
      delete part.reason;
    } else {
      part.reason = line.reason;
    }
  } else if ('rows' in line) {
    if (line.columns !== undefined) {
      const places = placesOf(result, line.columns);
      if (places !== undefined) {
        part.places = places;
      }
    }
    part.rows += line.rows.length;
    result.total += line.rows.length;
    for (const values of line.rows.slice(0, Math.max(0, limit - result.rows.length))) {
      result.rows.push({
        sat: line.sat,
        values: part.places === undefined ? values : placed(values, part.places, result.columns.length),
      });
    }
  } else if ('error' in line) {
    part.state = STATE_OF_ERROR[line.error.code] ?? 'error';
    part.message = line.error.message;
  } else {
    part.state = part.rows > 0 ? 'rows' : 'empty';
    if (line.end.truncated !== undefined) {
      part.truncated = line.end.truncated;
    }
  }
}

const count = (n: number): string => `${n.toLocaleString('en-US')} ${n === 1 ? 'row' : 'rows'}`;

/** Where a satellite's part stands, in words. */
export function describePart(part: Part, running: boolean): string {
  if (part.state === 'pending') {
    const soFar = part.rows > 0 ? `${count(part.rows)} so far` : '';
    return running ? soFar || 'waiting' : `${soFar === '' ? '' : `${soFar}, `}cancelled`;
  }
  if (part.state === 'rows') {
    return `${count(part.rows)}${part.truncated === undefined ? '' : `, cut off by the limit of ${part.truncated}`}`;
  }
  return part.state === 'empty' ? 'no rows' : part.state;
}

/** How many satellites are in which state. */
export function countStates(result: Result): [QueryState, number][] {
  const counts = new Map<QueryState, number>();
  for (const { state } of result.parts.values()) {
    counts.set(state, (counts.get(state) ?? 0) + 1);
  }
  return [...counts].toSorted((a, b) => b[1] - a[1]);
}
