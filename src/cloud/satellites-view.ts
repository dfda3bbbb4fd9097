import type { SatelliteRow, SatelliteStateRow } from '../store/rows.ts';
import type { SatelliteChange, SatelliteInfo } from './api.ts';
import type { HeardSatellite, Registry } from './satellites.ts';
import { many } from './state/read.ts';
import type { State } from './state/state.ts';

/** The satellites as users see them: what their heartbeats say together with what is in the state. */
export interface SatelliteView {
  /** Those that are part of the fleet and have been heard. */
  heard(): SatelliteInfo[];
  /** Besides, those that have enrolled and were never heard, and the revoked. */
  all(): SatelliteInfo[];
  get(id: string): SatelliteInfo | undefined;
  /** Newest first. */
  history(id: string): SatelliteChange[];
  /** Ids of those that may be asked: of these, or of all, and with all of these tags. */
  select(ids: readonly string[] | undefined, tags: Readonly<Record<string, string>> | undefined): string[];
  stop(): void;
}

type Row = Pick<SatelliteRow, 'id' | 'name' | 'tags' | 'access' | 'state' | 'state_at' | 'enrolled_at' | 'version'>;

const iso = (ms: number): string => new Date(ms).toISOString();

export function createSatelliteView(registry: Registry, state: State): SatelliteView {
  /** As read last; with thousands of satellites they are not read for each overview. */
  let read: Map<string, Row> | undefined;
  const rows = (): Map<string, Row> => {
    const replica = state.current();
    if (replica === undefined) return new Map();
    return (read ??= new Map(many<Row>(replica.db, 'SELECT id, name, tags, access, state, state_at, enrolled_at, version FROM satellites').map((row) => [row.id, row])));
  };
  const end = state.onChange((change) => {
    if (change.type === 'reset' || change.entries.some((e) => e.kind.startsWith('satellite.'))) read = undefined;
  });

  const tagsOf = (row: Row | undefined): Record<string, string> => (row === undefined ? {} : (JSON.parse(row.tags) as Record<string, string>));
  const known = (row: Row | undefined, id: string): Pick<SatelliteInfo, 'name' | 'tags' | 'access' | 'revision'> => ({ name: row?.name ?? id, tags: tagsOf(row), access: row?.access ?? 'both', revision: row?.version ?? 0 });
  const shown = (heard: HeardSatellite, row: Row | undefined): SatelliteInfo => ({ ...heard, ...known(row, heard.id) });
  /** Not heard, or not any more: its last heartbeat, or its enrolment, is what is known of it. */
  const silent = (row: Row): SatelliteInfo => {
    const last = registry.last(row.id);
    const at = iso(row.enrolled_at);
    const base: HeardSatellite = last ?? { id: row.id, node: row.id, state: 'unreachable', version: '', addresses: [], tables: [], load: [0, 0, 0], startedAt: at, firstSeen: at, lastSeen: at };
    return { ...base, ...known(row, row.id), state: row.state === 'revoked' ? 'revoked' : last === undefined ? 'enrolled' : base.state };
  };

  return {
    heard: () => registry.all().map((heard) => shown(heard, rows().get(heard.id))),
    all() {
      const heard = registry.all();
      const ids = new Set(heard.map((s) => s.id));
      return [...heard.map((s) => shown(s, rows().get(s.id))), ...[...rows().values()].filter((row) => !ids.has(row.id)).map(silent)];
    },
    get(id) {
      const heard = registry.get(id);
      const row = rows().get(id);
      return heard !== undefined ? shown(heard, row) : row === undefined ? undefined : silent(row);
    },
    history(id) {
      const replica = state.current();
      if (replica === undefined) return [];
      return many<SatelliteStateRow>(replica.db, 'SELECT * FROM satellite_states WHERE satellite = ? ORDER BY position DESC', id).map((row) => ({ seq: row.position, at: iso(row.at), state: row.state, actor: row.actor, reason: row.reason }));
    },
    select(ids, tags = {}) {
      const wanted = Object.entries(tags);
      const candidates = [...new Set(ids ?? registry.all().map((s) => s.id))];
      if (wanted.length === 0) return candidates;
      return candidates.filter((id) => {
        const own = tagsOf(rows().get(id));
        return wanted.every(([name, value]) => Object.hasOwn(own, name) && own[name] === value);
      });
    },
    stop: end,
  };
}
