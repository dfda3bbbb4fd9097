import type { SatelliteInfo } from '../../../src/api/satellites.ts';
import type { Heartbeat } from '../../../src/bus/frames.ts';
import { STATE_RANK } from '../../../src/cloud/satellites-match.ts';
import { stateOf } from '../../../src/cloud/satellites.ts';
import type { SatelliteRow } from '../../../src/store/rows.ts';
import type { Fleet } from './fleet.ts';

/** When certificates end here. */
export const ENDS = 1e15;

type Heard = Heartbeat & { firstSeen: number; lastSeen: number };

/** The test's own book of what has been heard of each satellite. */
export type Book = Map<string, Heard>;

const iso = (ms: number): string => new Date(ms).toISOString();

function expectedState(
  heard: boolean,
  beat: Heard | undefined,
  row: SatelliteRow | undefined,
  now: number,
): SatelliteInfo['state'] {
  if (!heard && row?.state === 'revoked') {
    return 'revoked';
  }
  return beat === undefined ? 'enrolled' : stateOf(beat.lastSeen, now);
}

/** All satellites, put together anew from what was heard and from the state's rows. */
export function expected(fleet: Fleet, book: Book, refused: ReadonlySet<string>): SatelliteInfo[] {
  const rows = new Map(fleet.rows().map((r) => [r.id, r]));
  return [...new Set([...book.keys(), ...rows.keys()])]
    .flatMap((id): SatelliteInfo[] => {
      const [beat, row] = [book.get(id), rows.get(id)];
      const heard = beat !== undefined && !refused.has(id);
      const elsewhere = row !== undefined && 'authority' in (JSON.parse(row.details) as object);
      if (!heard && row === undefined) {
        return [];
      }
      const at = iso(row?.enrolled_at ?? 0);
      const state = expectedState(heard, beat, row, fleet.now);
      const known = {
        id,
        state,
        name: row?.name ?? id,
        tags: JSON.parse(row?.tags ?? '{}') as Record<string, string>,
        access: row?.access ?? 'both',
        revision: row?.version ?? 0,
        ...(elsewhere && !['healthy', 'revoked'].includes(state) ? { certificateEnds: iso(ENDS) } : {}),
      };
      if (beat === undefined) {
        return [
          {
            ...known,
            node: id,
            version: '',
            addresses: [],
            tables: [],
            load: [0, 0, 0],
            startedAt: at,
            firstSeen: at,
            lastSeen: at,
          },
        ];
      }
      const { node, version, addresses, tables, load, startedAt } = beat;
      return [
        {
          ...known,
          node,
          version,
          addresses,
          tables,
          load,
          startedAt,
          firstSeen: iso(beat.firstSeen),
          lastSeen: iso(beat.lastSeen),
        },
      ];
    })
    .sort((a, b) => (a.id < b.id ? -1 : 1));
}

const SORTS = {
  id: () => 0,
  state: (s) => STATE_RANK[s.state],
  load: (s) => -s.load[0],
  lastSeen: (s) => s.lastSeen,
} satisfies Record<string, (s: SatelliteInfo) => string | number>;

export type SortKey = keyof typeof SORTS;
export const SORT_KEYS = Object.keys(SORTS) as SortKey[];

export interface Search {
  sort: SortKey;
  /** States, separated by commas. */
  state: string | undefined;
  /** The tag `place`. */
  place: string | undefined;
  /** Words, all of which are found in a satellite. */
  text: string | undefined;
}

function textOf(s: SatelliteInfo): string {
  const tags = Object.entries(s.tags).map(([k, v]) => `${k}=${v}`);
  return [s.id, s.name, s.node, s.state, s.version, ...s.addresses, ...tags].join(' ').toLowerCase();
}

/** Those of the satellites that a search finds, in its order. */
export function expectedSearch(all: SatelliteInfo[], { sort, state, place, text }: Search): SatelliteInfo[] {
  const key: (s: SatelliteInfo) => string | number = SORTS[sort];
  return all
    .filter((s) => (state?.split(',').includes(s.state) ?? true) && (place === undefined || s.tags['place'] === place))
    .filter((s) => (text ?? '').split(' ').every((word) => textOf(s).includes(word)))
    .sort((a, b) => (key(a) < key(b) || (key(a) === key(b) && a.id < b.id) ? -1 : 1));
}

/** Puts first what needs attention most: by state, by when it was heard last, by id. */
export function byConcern(a: SatelliteInfo, b: SatelliteInfo): number {
  if (a.state !== b.state) {
    return STATE_RANK[a.state] - STATE_RANK[b.state];
  }
  const [x, y] = a.lastSeen === b.lastSeen ? [a.id, b.id] : [a.lastSeen, b.lastSeen];
  return x < y ? -1 : 1;
}
