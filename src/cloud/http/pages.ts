import { badCursor } from './problem.ts';

/** A cursor is the key of the last item, which no client should take apart. */
export function encodeCursor(key: string | number): string {
  return Buffer.from(String(key)).toString('base64url');
}

/** @throws HttpProblem 400 */
export function decodeCursor(cursor: string | undefined): string | undefined {
  if (cursor === undefined) {
    return undefined;
  }
  const key = Buffer.from(cursor, 'base64url').toString('utf8');
  if (key === '' || encodeCursor(key) !== cursor) {
    throw badCursor();
  }
  return key;
}

/** One page of what has been read with one item more than the page has. */
export function page<Row, Item>(
  rows: Row[],
  limit: number,
  key: (row: Row) => string | number,
  item: (row: Row) => Item,
): { items: Item[]; next: string | null } {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return { items: shown.map(item), next: rows.length > limit && last !== undefined ? encodeCursor(key(last)) : null };
}

/** One page of a list that is in memory, sorted by key. */
export function pageOfList<Item>(
  all: Item[],
  query: { limit: number; cursor?: string | undefined },
  key: (item: Item) => string,
): { items: Item[]; next: string | null } {
  const after = decodeCursor(query.cursor);
  const sorted = all.toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
  return page(after === undefined ? sorted : sorted.filter((i) => key(i) > after), query.limit, key, (i) => i);
}
