import type { QueryLine } from '../api/queries.ts';
import type { Value } from '../bus/frames.ts';

/** By what the rows of all satellites are ordered. */
export interface OrderBy {
  column: string;
  descending: boolean;
}

/** A line for the reader. */
export interface Given {
  line: QueryLine;
  /** The line as JSON, where it came as such. */
  json?: string | undefined;
  /** Satellites, each as often as it gets a credit back: the reader has got all of a batch. */
  spent: string[];
}

/** In which order a query's lines reach its reader. What waits here is bounded by the satellites' credits. */
export interface LineOrder {
  /** @param credits what it cost, of a batch */
  push(line: QueryLine, json?: string, credits?: number): void;
  /** undefined: there is nothing to be given now. */
  next(): Given | undefined;
  /** No more rows are wanted, however many the satellites have. */
  full(): boolean;
}

const back = (sat: string, credits = 1): string[] => Array<string>(credits).fill(sat);

/** As they come. */
export function arrivalOrder(): LineOrder {
  const lines: Given[] = [];
  return {
    push: (line, json, credits) =>
      void lines.push({ line, json, spent: 'rows' in line && 'sat' in line ? back(line.sat, credits) : [] }),
    next: () => lines.shift(),
    full: () => false,
  };
}

/**
 * The statement for each satellite whose answers `mergeOrder` merges: its rows in that order, no more than can be
 * wanted.
 */
export function orderedSql(sql: string, order: OrderBy[], limit: number | undefined): string {
  // Backticks, since SQLite takes a name in double quotes for a text where there is no such column.
  const terms = order.map((o) => `\`${o.column.replaceAll('`', '``')}\`${o.descending ? ' DESC' : ''}`);
  const statement = sql.replace(/[\s;]+$/, '');
  // The line ends keep a comment of the statement's last line from taking the rest along.
  return `SELECT * FROM (
${statement}
)${terms.length === 0 ? '' : ` ORDER BY ${terms.join(', ')}`}${limit === undefined ? '' : ` LIMIT ${limit}`}`;
}

/** SQLite's classes of values in their order; an integer beyond 2^53 has come as text and is among the texts. */
function classOf(value: Value): number {
  if (value === null) {
    return 0;
  }
  if (typeof value === 'number') {
    return 1;
  }
  return typeof value === 'string' ? 2 : 3;
}

/**
 * As SQLite compares (https://www.sqlite.org/datatype3.html#comparison_expressions), texts by the bytes of their UTF-8.
 */
export function compareValues(a: Value, b: Value): number {
  const byClass = classOf(a) - classOf(b);
  if (byClass !== 0) {
    return byClass;
  }
  if (typeof a === 'number' && typeof b === 'number') {
    return a - b;
  }
  if (typeof a === 'string' && typeof b === 'string') {
    return a === b ? 0 : Buffer.compare(Buffer.from(a), Buffer.from(b));
  }
  if (a !== null && b !== null && typeof a === 'object' && typeof b === 'object') {
    return Buffer.compare(Buffer.from(a.blob, 'base64'), Buffer.from(b.blob, 'base64'));
  }
  return 0;
}

interface Source {
  q: string;
  columns: string[];
  /** Places of the order's columns in its rows; -1 where it has none of that name. */
  places: number[];
  batches: { rows: Value[][]; credits: number | undefined }[];
  /** Of the first batch, rows given already. */
  given: number;
  ended: boolean;
  /** What it ended with, until all of its rows have been given. */
  last: QueryLine | undefined;
  /** Of the lines that were given for it. */
  seq: number;
}

/**
 * One order for the rows of all satellites, each of which sends its own in that order. A row is given once every
 * satellite has either a row or no more; rows that are equal come by the satellites' ids. `end` and `error` of a
 * satellite come after its rows.
 * @param limit how many rows are wanted in all.
 */
export function mergeOrder(satellites: string[], order: OrderBy[], limit: number): LineOrder {
  const sources: Sources = new Map(
    [...satellites]
      .sort()
      .map((sat): [string, Source] => [
        sat,
        { q: '', columns: [], places: [], batches: [], given: 0, ended: false, last: undefined, seq: 0 },
      ]),
  );
  let left = limit;

  return {
    push(line, _json, credits) {
      const source = 'sat' in line ? sources.get(line.sat) : undefined;
      if (source === undefined) {
        return;
      }
      if (!('rows' in line) || !('sat' in line)) {
        source.ended = true;
        source.last = line;
        return;
      }
      source.q = line.q;
      if (line.columns !== undefined) {
        source.columns = line.columns;
        source.places = placesOf(line.columns, order);
      }
      if (line.rows.length > 0 || source.seq === 0) {
        source.batches.push({ rows: line.rows, credits });
      }
    },
    next() {
      const given = rowless(sources, left);
      if (given !== undefined || left === 0) {
        return given;
      }
      const found = first(sources, order);
      if (found === undefined) {
        return undefined;
      }
      const [sat, source, second] = found;
      const { rows: batch, credits } = source.batches[0] ?? { rows: [], credits: undefined };
      // As many as come before anybody else's: sources stand by their ids, so an equal row of a later one waits.
      const isNext = (): boolean => second === undefined || compareHeads(source, second, order) < 0;
      const rows = takeRows(source, batch, left, isNext);
      left -= rows.length;
      const line = {
        q: source.q,
        sat,
        seq: source.seq,
        ...(source.seq === 0 ? { columns: source.columns } : {}),
        rows,
      };
      source.seq += 1;
      if (source.given < batch.length) {
        return { line, spent: [] };
      }
      source.batches.shift();
      source.given = 0;
      return { line, spent: back(sat, credits) };
    },
    full: () => left === 0 && [...sources.values()].every((s) => s.last === undefined),
  };
}

/** By the satellites' ids, in their order. */
type Sources = ReadonlyMap<string, Source>;

const placesOf = (columns: string[], order: OrderBy[]): number[] =>
  order.map((o) => columns.findIndex((c) => c.toLowerCase() === o.column.toLowerCase()));

const head = (source: Source): Value[] | undefined => source.batches[0]?.rows[source.given];

function compareHeads(a: Source, b: Source, order: OrderBy[]): number {
  const [x, y] = [head(a) ?? [], head(b) ?? []];
  for (const [i, { descending }] of order.entries()) {
    const difference = compareValues(x[a.places[i] ?? -1] ?? null, y[b.places[i] ?? -1] ?? null);
    if (difference !== 0) {
      return descending ? -difference : difference;
    }
  }
  return 0;
}

/** The satellite whose row is next, and the one after it; undefined while one has yet to send a row. */
function first(sources: Sources, order: OrderBy[]): [string, Source, Source | undefined] | undefined {
  let best: [string, Source] | undefined;
  let second: Source | undefined;
  for (const [sat, source] of sources) {
    if (head(source) === undefined) {
      if (source.ended) {
        continue;
      }
      return undefined;
    }
    if (best === undefined) {
      best = [sat, source];
    } else if (compareHeads(source, best[1], order) < 0) {
      second = best[1];
      best = [sat, source];
    } else if (second === undefined || compareHeads(source, second, order) < 0) {
      second = source;
    }
  }
  return best === undefined ? undefined : [...best, second];
}

/** A line that waits for no other satellite's rows: one that tells columns only, or how a satellite has ended. */
function rowless(sources: Sources, left: number): Given | undefined {
  for (const [sat, source] of sources) {
    const [batch] = source.batches;
    // A first batch without rows tells the columns.
    if (batch?.rows.length === 0) {
      source.batches.shift();
      return {
        line: { q: source.q, sat, seq: source.seq++, columns: source.columns, rows: [] },
        spent: back(sat, batch.credits),
      };
    }
    const { last } = source;
    if (last === undefined || (batch !== undefined && left > 0)) {
      continue;
    }
    source.last = undefined;
    return { line: last, spent: [] };
  }
  return undefined;
}

/** Takes a row of a source's first batch, and further ones, `most` in all, while `isNext` holds. */
function takeRows(source: Source, batch: Value[][], most: number, isNext: () => boolean): Value[][] {
  const rows: Value[][] = [];
  do {
    rows.push(batch[source.given] ?? []);
    source.given += 1;
  } while (rows.length < most && source.given < batch.length && isNext());
  return rows;
}
