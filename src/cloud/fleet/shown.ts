import type { SatelliteInfo, SatelliteState } from '../../api/satellites.ts';
import type { KnownSatellite, SatelliteRows } from '../satellites-rows.ts';
import type { HeardSatellite, Registry } from '../satellites.ts';

const iso = (ms: number): string => new Date(ms).toISOString();

/**
 * Returns what users see of a satellite: what its heartbeats say together with what is in the state; undefined for one
 * that is not shown.
 * @param now milliseconds since 1970
 */
export function shownSatellite(
  registry: Pick<Registry, 'get' | 'last' | 'expects'>,
  rows: Pick<SatelliteRows, 'get'>,
  id: string,
  now: () => number,
): SatelliteInfo | undefined {
  const heard = registry.get(id);
  const row = rows.get(id);
  if (heard !== undefined) {
    return shown(heard, heard.state, row, now);
  }
  return row !== undefined &&
    (row.elsewhere || row.state === 'revoked' || registry.last(id) !== undefined || registry.expects(id))
    ? silent(row, registry.last(id), now)
    : undefined;
}

/** Not heard, or not any more: its last heartbeat, or its enrolment, is what is known of it. */
function silent(row: KnownSatellite, last: HeardSatellite | undefined, now: () => number): SatelliteInfo {
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
  const unrevoked = last === undefined ? 'enrolled' : base.state;
  return shown(base, row.state === 'revoked' ? 'revoked' : unrevoked, row, now);
}

const shown = (
  heard: Omit<HeardSatellite, 'state'>,
  state: SatelliteState,
  row: KnownSatellite | undefined,
  now: () => number,
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
    now,
  );

/**
 * A satellite that is heard says itself what it comes by; of one that is silent its enrolment, or renewal, says it.
 */
function withCertificate(info: SatelliteInfo, ends: number | undefined, now: () => number): SatelliteInfo {
  if (ends === undefined || info.state === 'healthy' || info.state === 'revoked') {
    return info;
  }
  const certificateEnds = iso(ends);
  if (ends > now()) {
    return { ...info, certificateEnds };
  }
  const reason =
    `Its certificate ended on ${certificateEnds}, so it is not let in: it has to enrol again, with another ` + 'token.';
  return { ...info, certificateEnds, reason };
}
