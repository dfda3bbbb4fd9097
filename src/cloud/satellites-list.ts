import type { z } from 'zod';
import type { SatelliteInfo, SatelliteState, satelliteListQuery } from '../api/satellites.ts';
import { decodeCursor, encodeCursor } from './http/pages.ts';
import { badCursor } from './http/problem.ts';
import { STATE_RANK, fits, wordsOf } from './satellites-match.ts';

export type SatelliteQuery = z.output<typeof satelliteListQuery>;
export type SatelliteSort = SatelliteQuery['sort'];

/** By what a list is sorted; the ids decide between equals. */
const SORT_KEYS: Readonly<Record<SatelliteSort, (s: SatelliteInfo) => string | number>> = {
  id: () => 0,
  state: (s) => STATE_RANK[s.state],
  load: (s) => -s.load[0],
  lastSeen: (s) => s.lastSeen,
};

type Place = readonly [key: string | number, id: string];
const before = (a: Place, b: Place): boolean => a[0] < b[0] || (a[0] === b[0] && a[1] < b[1]);

function placeOf(cursor: string | undefined): Place | undefined {
  const text = decodeCursor(cursor);
  if (text === undefined) {
    return undefined;
  }
  try {
    const place = JSON.parse(text) as unknown;
    if (
      Array.isArray(place) &&
      place.length === 2 &&
      ['string', 'number'].includes(typeof place[0]) &&
      typeof place[1] === 'string'
    ) {
      return [place[0] as string | number, place[1]];
    }
  } catch {
    // Somebody's own words.
  }
  throw badCursor();
}

/** The tags of `name=value,name=value`. */
export function parseTagQuery(text: string | undefined): Record<string, string> {
  return Object.fromEntries(
    (text ?? '')
      .split(',')
      .flatMap((pair) => (pair === '' ? [] : [[pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]])),
  );
}

export function hasTags(own: Readonly<Record<string, string>>, wanted: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(([name, value]) => Object.hasOwn(own, name) && own[name] === value);
}

export interface Fleet {
  /** Sorted. */
  ids(): readonly string[];
  state(id: string): SatelliteState | undefined;
  get(id: string): SatelliteInfo | undefined;
}

/**
 * One page of the fleet. The cursor is the place behind the last item, so that what comes and goes meanwhile moves
 * nothing else; one whose place itself moves (`load`, `lastSeen`) may be met twice or not at all.
 * @throws HttpProblem 400 for a cursor that is none
 */
export function listPage(
  fleet: Fleet,
  query: SatelliteQuery,
): { items: SatelliteInfo[]; next: string | null; matched: number } {
  const after = placeOf(query.cursor);
  const words = wordsOf(query.text ?? '');
  const only = query.ids === undefined ? undefined : [...new Set(query.ids.split(','))].sort();
  const states = query.state === undefined ? undefined : new Set(query.state.split(','));
  const tags = parseTagQuery(query.tags);
  const show = ({ tables, ...rest }: SatelliteInfo): SatelliteInfo => ({
    ...rest,
    tables: query.tables === 'none' ? [] : tables,
  });
  const answer = (
    items: SatelliteInfo[],
    more: boolean,
    matched: number,
    key: (s: SatelliteInfo) => string | number,
  ): ReturnType<typeof listPage> => {
    const last = items.at(-1);
    return {
      items: items.map(show),
      next: more && last !== undefined ? encodeCursor(JSON.stringify([key(last), last.id])) : null,
      matched,
    };
  };

  const key = SORT_KEYS[query.sort];
  if (
    query.sort === 'id' &&
    only === undefined &&
    states === undefined &&
    query.tags === undefined &&
    words.length === 0
  ) {
    const ids = fleet.ids();
    const from = after === undefined ? 0 : firstAfter(ids, after[1]);
    const items = ids.slice(from, from + query.limit).flatMap((id) => fleet.get(id) ?? []);
    return answer(items, from + query.limit < ids.length, ids.length, key);
  }
  // Ten thousand are not put together for a hundred that are shown, where their states are enough.
  const looksInside =
    words.length > 0 || query.tags !== undefined || query.sort === 'load' || query.sort === 'lastSeen';
  const found: Place[] = [];
  for (const id of only ?? fleet.ids()) {
    const state = fleet.state(id);
    if (state === undefined || (states !== undefined && !states.has(state))) {
      continue;
    }
    const item = looksInside ? fleet.get(id) : undefined;
    if (looksInside && (item === undefined || !hasTags(item.tags, tags) || !fits(item, words))) {
      continue;
    }
    // Without the item the list is sorted by state or by id.
    const withoutItem = query.sort === 'state' ? STATE_RANK[state] : 0;
    found.push([item === undefined ? withoutItem : key(item), id]);
  }
  if (query.sort !== 'id') {
    found.sort((a, b) => (before(a, b) ? -1 : 1));
  }
  const rest = after === undefined ? found : found.filter((place) => before(after, place));
  return answer(
    rest.slice(0, query.limit).flatMap(([, id]) => fleet.get(id) ?? []),
    rest.length > query.limit,
    found.length,
    key,
  );
}

/** Index of the first that is greater, by bisection. */
function firstAfter(ids: readonly string[], id: string): number {
  let [low, high] = [0, ids.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ids[middle] ?? '') <= id) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}
