import type {
  FleetSummary,
  SatelliteBrief,
  SatelliteChange,
  SatelliteInfo,
  SatelliteState,
} from '../api/satellites.ts';
import type { SatelliteStateRow } from '../store/rows.ts';
import { createNodeCounts } from './fleet/node-counts.ts';
import { shownSatellite } from './fleet/shown.ts';
import { createListeners } from './listeners.ts';
import { hasTags, listPage, type SatelliteQuery } from './satellites-list.ts';
import { STATE_RANK } from './satellites-match.ts';
import type { SatelliteRows } from './satellites-rows.ts';
import type { HeardChange, Registry } from './satellites.ts';
import { many } from './state/read.ts';
import type { State } from './state/state.ts';

/** In an overview, at most. */
export const MOST_CONCERNS = 100;

/**
 * The satellites as users see them: what their heartbeats say together with what is in the state. Counts, order and
 * states are kept up with what changes, so that a heartbeat or a change costs the same whether there are ten satellites
 * or ten thousand.
 */
export interface SatelliteView {
  /**
   * One page of all: those that have been heard, those that have enrolled and were never heard, and the revoked.
   * @throws HttpProblem 400
   */
  list(query: SatelliteQuery): { items: SatelliteInfo[]; next: string | null; matched: number };
  get(id: string): SatelliteInfo | undefined;
  counts(): Readonly<Record<SatelliteState, number>>;
  /** When the certificate of each ends that is not revoked, as far as is known, milliseconds since 1970. */
  certificateEnds(): number[];
  /** Grows with every change but of a heartbeat's time and load. */
  version(): number;
  /** @param nodes of the cluster, each of which should have a satellite */
  summary(nodes: readonly string[]): FleetSummary;
  /** Calls back with each that has changed. @returns how to end it */
  onChange(listener: (id: string, what: HeardChange) => void): () => void;
  /** Newest first. */
  history(id: string): SatelliteChange[];
  /** Ids of those that may be asked: of these, or of all, and with all of these tags. */
  select(ids: readonly string[] | undefined, tags: Readonly<Record<string, string>> | undefined): string[];
  stop(): void;
}

/** @param now milliseconds since 1970 */
export function createSatelliteView(
  registry: Registry,
  rows: SatelliteRows,
  state: State,
  now: () => number = Date.now,
): SatelliteView {
  const listeners = createListeners<[id: string, what: HeardChange]>();
  /** Of all that are shown. */
  const states = new Map<string, SatelliteState>();
  const counts: Record<SatelliteState, number> = { enrolled: 0, healthy: 0, degraded: 0, unreachable: 0, revoked: 0 };
  /** Those heard of whom somebody should know: few, unless everything is bad. */
  const concerns = new Set<string>();
  const nodes = createNodeCounts();
  let sorted: string[] | undefined;
  let version = 0;
  let worst: { version: number; briefs: SatelliteBrief[] } | undefined;

  const get = (id: string): SatelliteInfo | undefined => shownSatellite(registry, rows, id, now);
  /** Brings what is kept of one in line with what it is now. */
  const follow = (id: string): void => {
    const state = get(id)?.state;
    const heard = registry.get(id);
    const before = states.get(id);
    if (before !== undefined) {
      counts[before] -= 1;
    }
    if ((before === undefined) !== (state === undefined)) {
      sorted = undefined;
    }
    if (state === undefined) {
      states.delete(id);
    } else {
      counts[state] += 1;
      states.set(id, state);
    }
    if (heard !== undefined && heard.state !== 'healthy') {
      concerns.add(id);
    } else {
      concerns.delete(id);
    }
    nodes.set(id, heard?.node);
    version += 1;
  };
  const tell = (id: string, what: HeardChange): void => {
    if (what === 'changed') {
      follow(id);
    }
    listeners.tell(id, what);
  };
  for (const id of new Set([...registry.ids(), ...rows.ids()])) {
    follow(id);
  }
  const ends = [registry.onChange(tell), rows.onChange((ids) => ids.forEach((id) => tell(id, 'changed')))];

  const ids = (): string[] => (sorted ??= [...states.keys()].sort((a, b) => (a < b ? -1 : 1)));

  return {
    list: (query) => listPage({ ids, state: (id) => states.get(id), get }, query),
    get,
    counts: () => counts,
    certificateEnds: () => ids().flatMap((id) => certificateEnd(get(id))),
    version: () => version,
    summary(expected) {
      if (worst?.version !== version) {
        worst = { version, briefs: worstOf([...concerns].flatMap((id) => get(id) ?? [])) };
      }
      const missing = expected.filter((node) => !nodes.has(node));
      return { version, counts: { ...counts }, concerns: worst.briefs, missing };
    },
    onChange: listeners.add,
    history: (id) => historyOf(state, id),
    select: (wanted, tags) =>
      tagged(wanted === undefined ? [...registry.ids()].sort() : [...new Set(wanted)], rows, tags),
    stop() {
      for (const end of ends) {
        end();
      }
    },
  };
}

/** Those of these ids that have all of the tags. */
const tagged = (ids: string[], rows: SatelliteRows, tags: Readonly<Record<string, string>> = {}): string[] =>
  Object.keys(tags).length === 0 ? ids : ids.filter((id) => hasTags(rows.get(id)?.tags ?? {}, tags));

/** Empty where the satellite is revoked or nothing is known. */
const certificateEnd = (s: SatelliteInfo | undefined): number[] =>
  s?.certificateEnds === undefined || s.state === 'revoked' ? [] : [Date.parse(s.certificateEnds)];

const worstOf = (satellites: SatelliteInfo[]): SatelliteBrief[] =>
  satellites
    .map(({ id, name, node, state, lastSeen }) => ({ id, name, node, state, lastSeen }))
    .sort(worse)
    .slice(0, MOST_CONCERNS);

/** Between equals the longest silent, since of those who fell silent together none is worse. */
function worse(a: SatelliteBrief, b: SatelliteBrief): number {
  const byState = STATE_RANK[a.state] - STATE_RANK[b.state];
  if (byState !== 0) {
    return byState;
  }
  if (a.lastSeen !== b.lastSeen) {
    return a.lastSeen < b.lastSeen ? -1 : 1;
  }
  return a.id < b.id ? -1 : 1;
}

function historyOf(state: State, id: string): SatelliteChange[] {
  const replica = state.current();
  if (replica === undefined) {
    return [];
  }
  return many<SatelliteStateRow>(
    replica.db,
    'SELECT * FROM satellite_states WHERE satellite = ? ORDER BY position DESC',
    id,
  ).map((row) => ({
    seq: row.position,
    at: new Date(row.at).toISOString(),
    state: row.state,
    actor: row.actor,
    reason: row.reason,
  }));
}
