import type { SatelliteRow, SatelliteStateRow } from '../store/rows.ts';
import type { SatelliteChange, SatelliteInfo } from './api.ts';
import type { HeardSatellite, Registry } from './satellites.ts';
import { credentialEnds } from './satellites-admission.ts';
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

interface Row extends Pick<SatelliteRow, 'id' | 'name' | 'tags' | 'access' | 'state' | 'state_at' | 'enrolled_at' | 'version'> {
  /** When the certificate of its enrolment, or of the last renewal, ends. */
  ends: number | undefined;
}

/** The certificate itself only where the enrolment has not written down when it ends. */
const COLUMNS = "id, name, tags, access, state, state_at, enrolled_at, version, details ->> '$.ends' AS ends, CASE WHEN details ->> '$.ends' IS NULL THEN details ->> '$.certificate' END AS certificate";

const rowOf = ({ certificate, ...row }: Omit<Row, 'ends'> & { ends: number | null; certificate: string | null }): Row => ({ ...row, ends: row.ends ?? (certificate === null ? undefined : credentialEnds({ certificate })) });

const iso = (ms: number): string => new Date(ms).toISOString();

export function createSatelliteView(registry: Registry, state: State, now: () => number = Date.now): SatelliteView {
  /** As read last; with thousands of satellites they are not read for each overview. */
  let read: Map<string, Row> | undefined;
  const rows = (): Map<string, Row> => {
    const replica = state.current();
    if (replica === undefined) return new Map();
    return (read ??= new Map(many<Parameters<typeof rowOf>[0]>(replica.db, `SELECT ${COLUMNS} FROM satellites`).map((row) => [row.id, rowOf(row)])));
  };
  const end = state.onChange((change) => {
    if (change.type === 'reset' || change.entries.some((e) => e.kind.startsWith('satellite.'))) read = undefined;
  });

  const tagsOf = (row: Row | undefined): Record<string, string> => (row === undefined ? {} : (JSON.parse(row.tags) as Record<string, string>));
  const known = (row: Row | undefined, id: string): Pick<SatelliteInfo, 'name' | 'tags' | 'access' | 'revision'> => ({ name: row?.name ?? id, tags: tagsOf(row), access: row?.access ?? 'both', revision: row?.version ?? 0 });
  /** A satellite that is heard says itself what it comes by; of one that is silent its enrolment, or renewal, says it. */
  const withCertificate = (info: SatelliteInfo, row: Row | undefined): SatelliteInfo => {
    if (row?.ends === undefined || info.state === 'healthy' || info.state === 'revoked') return info;
    const certificateEnds = iso(row.ends);
    if (row.ends > now()) return { ...info, certificateEnds };
    return { ...info, certificateEnds, state: 'unreachable', reason: `Its certificate ended on ${certificateEnds}, so it is not let in: it has to enrol again, with another token.` };
  };
  const shown = (heard: HeardSatellite, row: Row | undefined): SatelliteInfo => withCertificate({ ...heard, ...known(row, heard.id) }, row);
  /** Not heard, or not any more: its last heartbeat, or its enrolment, is what is known of it. */
  const silent = (row: Row): SatelliteInfo => {
    const last = registry.last(row.id);
    const at = iso(row.enrolled_at);
    const base: HeardSatellite = last ?? { id: row.id, node: row.id, state: 'unreachable', version: '', addresses: [], tables: [], load: [0, 0, 0], startedAt: at, firstSeen: at, lastSeen: at };
    return withCertificate({ ...base, ...known(row, row.id), state: row.state === 'revoked' ? 'revoked' : last === undefined ? 'enrolled' : base.state }, row);
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
