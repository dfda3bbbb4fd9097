import type {
  FleetSummary,
  SatelliteBrief,
  SatelliteChange,
  SatelliteInfo,
  SatelliteState,
} from '../api/satellites.ts';
import type { SatelliteStateRow } from '../store/rows.ts';
import { hasTags, listPage, type SatelliteQuery } from './satellites-list.ts';
import { STATE_RANK } from './satellites-match.ts';
import type { KnownSatellite, SatelliteRows } from './satellites-rows.ts';
import type { HeardChange, HeardSatellite, Registry } from './satellites.ts';
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

const iso = (ms: number): string => new Date(ms).toISOString();

export function createSatelliteView(
  registry: Registry,
  rows: SatelliteRows,
  state: State,
  now: () => number = Date.now,
): SatelliteView {
  const listeners = new Set<(id: string, what: HeardChange) => void>();
  /** Of all that are shown. */
  const states = new Map<string, SatelliteState>();
  const counts: Record<SatelliteState, number> = { enrolled: 0, healthy: 0, degraded: 0, unreachable: 0, revoked: 0 };
  /** Those heard of whom somebody should know: few, unless everything is bad. */
  const concerns = new Set<string>();
  /** How many satellites a node has that were heard: one that was renamed, or runs twice, may have two. */
  const nodes = new Map<string, number>();
  const nodeOf = new Map<string, string>();
  let sorted: string[] | undefined;
  let version = 0;
  let worst: { version: number; briefs: SatelliteBrief[] } | undefined;

  /**
   * A satellite that is heard says itself what it comes by; of one that is silent its enrolment, or renewal, says it.
   */
  const withCertificate = (info: SatelliteInfo, ends: number | undefined): SatelliteInfo => {
    if (ends === undefined || info.state === 'healthy' || info.state === 'revoked') {
      return info;
    }
    const certificateEnds = iso(ends);
    return {
      ...info,
      certificateEnds,
      ...(ends > now()
        ? {}
        : {
            reason:
              `Its certificate ended on ${certificateEnds}, so it is not let in: it has to enrol again, with another ` +
              'token.',
          }),
    };
  };
  const shown = (
    heard: Omit<HeardSatellite, 'state'>,
    state: SatelliteState,
    row: KnownSatellite | undefined,
  ): SatelliteInfo =>
    withCertificate(
      {
        ...heard,
        state,
        name: row?.name ?? heard.id,
        tags: row?.tags ?? {},
        access: row?.access ?? 'both',
        revision: row?.version ?? 0,
      },
      row?.ends,
    );
  /** Not heard, or not any more: its last heartbeat, or its enrolment, is what is known of it. */
  const silent = (row: KnownSatellite): SatelliteInfo => {
    const last = registry.last(row.id);
    const at = iso(row.enrolledAt);
    const base: HeardSatellite = last ?? {
      id: row.id,
      node: row.id,
      state: 'unreachable',
      version: '',
      addresses: [],
      tables: [],
      load: [0, 0, 0],
      startedAt: at,
      firstSeen: at,
      lastSeen: at,
    };
    return shown(base, row.state === 'revoked' ? 'revoked' : last === undefined ? 'enrolled' : base.state, row);
  };
  const get = (id: string): SatelliteInfo | undefined => {
    const heard = registry.get(id);
    const row = rows.get(id);
    if (heard !== undefined) {
      return shown(heard, heard.state, row);
    }
    return row !== undefined &&
      (row.elsewhere || row.state === 'revoked' || registry.last(id) !== undefined || registry.expects(id))
      ? silent(row)
      : undefined;
  };

  const countNode = (id: string, node: string | undefined): void => {
    const before = nodeOf.get(id);
    if (before === node) {
      return;
    }
    if (before !== undefined) {
      const left = (nodes.get(before) ?? 1) - 1;
      if (left === 0) {
        nodes.delete(before);
      } else {
        nodes.set(before, left);
      }
    }
    if (node === undefined) {
      nodeOf.delete(id);
    } else {
      nodeOf.set(id, node);
      nodes.set(node, (nodes.get(node) ?? 0) + 1);
    }
  };
  /** Brings what is kept of one in line with what it is now. */
  const follow = (id: string): void => {
    const now = get(id);
    const heard = registry.get(id);
    const before = states.get(id);
    if (before !== undefined) {
      counts[before] -= 1;
    }
    if (now !== undefined) {
      counts[now.state] += 1;
    }
    if ((before === undefined) !== (now === undefined)) {
      sorted = undefined;
    }
    if (now === undefined) {
      states.delete(id);
    } else {
      states.set(id, now.state);
    }
    if (heard !== undefined && heard.state !== 'healthy') {
      concerns.add(id);
    } else {
      concerns.delete(id);
    }
    countNode(id, heard?.node);
    version += 1;
  };
  const tell = (id: string, what: HeardChange): void => {
    if (what === 'changed') {
      follow(id);
    }
    for (const listener of listeners) {
      listener(id, what);
    }
  };
  for (const id of new Set([...registry.ids(), ...rows.ids()])) {
    follow(id);
  }
  const ends = [registry.onChange(tell), rows.onChange((ids) => ids.forEach((id) => tell(id, 'changed')))];

  const ids = (): string[] => (sorted ??= [...states.keys()].sort((a, b) => (a < b ? -1 : 1)));
  const brief = ({ id, name, node, state: now, lastSeen }: SatelliteInfo): SatelliteBrief => ({
    id,
    name,
    node,
    state: now,
    lastSeen,
  });
  /** Between equals the longest silent, since of those who fell silent together none is worse. */
  const worse = (a: SatelliteBrief, b: SatelliteBrief): number =>
    STATE_RANK[a.state] - STATE_RANK[b.state] ||
    (a.lastSeen < b.lastSeen ? -1 : a.lastSeen > b.lastSeen ? 1 : a.id < b.id ? -1 : 1);

  return {
    list: (query) => listPage({ ids, state: (id) => states.get(id), get }, query),
    get,
    counts: () => counts,
    certificateEnds: () =>
      ids()
        .map(get)
        .flatMap((s) =>
          s?.certificateEnds === undefined || s.state === 'revoked' ? [] : [Date.parse(s.certificateEnds)],
        ),
    version: () => version,
    summary(expected) {
      if (worst?.version !== version) {
        worst = {
          version,
          briefs: [...concerns]
            .flatMap((id) => get(id) ?? [])
            .map(brief)
            .sort(worse)
            .slice(0, MOST_CONCERNS),
        };
      }
      return {
        version,
        counts: { ...counts },
        concerns: worst.briefs,
        missing: expected.filter((node) => !nodes.has(node)),
      };
    },
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    history(id) {
      const replica = state.current();
      if (replica === undefined) {
        return [];
      }
      return many<SatelliteStateRow>(
        replica.db,
        'SELECT * FROM satellite_states WHERE satellite = ? ORDER BY position DESC',
        id,
      ).map((row) => ({ seq: row.position, at: iso(row.at), state: row.state, actor: row.actor, reason: row.reason }));
    },
    select(wanted, tags = {}) {
      const candidates = wanted === undefined ? [...registry.ids()].sort() : [...new Set(wanted)];
      return Object.keys(tags).length === 0
        ? candidates
        : candidates.filter((id) => hasTags(rows.get(id)?.tags ?? {}, tags));
    },
    stop() {
      for (const end of ends) {
        end();
      }
    },
  };
}
