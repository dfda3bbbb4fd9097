import type { FleetSummary, SatelliteInfo } from '../../api/satellites.ts';
import type { Beat, FleetLine } from '../../api/watch.ts';

export type SortKey = 'id' | 'state' | 'load' | 'lastSeen';

/** What of the fleet is shown: a page of it, as the cloud's list is asked for it. */
export interface FleetQuery {
  ids?: string;
  text?: string;
  state?: string;
  sort?: SortKey;
  cursor?: string;
  limit: number;
  tables?: 'all' | 'none';
}

/** States of those that have been heard and may be asked. */
export const HEARD = 'healthy,degraded,unreachable';

export const heardOf = ({ counts }: Pick<FleetSummary, 'counts'>): number =>
  counts.healthy + counts.degraded + counts.unreachable;
export const knownOf = (fleet: Pick<FleetSummary, 'counts'>): number =>
  heardOf(fleet) + fleet.counts.enrolled + fleet.counts.revoked;

/** What has been told of satellites since they were read. */
export type Live = ReadonlyMap<string, Beat | SatelliteInfo>;

/** Takes in what a watch tells of the satellites that are shown. */
export function keepUp(live: Live, shown: ReadonlySet<string>, line: FleetLine): Live {
  const next = new Map(live);
  for (const { tables: _, ...item } of line.items) {
    if (shown.has(item.id)) {
      next.set(item.id, { ...next.get(item.id), ...item } as SatelliteInfo);
    }
  }
  for (const beat of line.beats) {
    if (shown.has(beat.id)) {
      next.set(beat.id, { ...next.get(beat.id), ...beat });
    }
  }
  return next;
}

/** Satellites as they are now; their tables are those that were read. */
export const asOfNow = (read: readonly SatelliteInfo[], live: Live): SatelliteInfo[] =>
  read.map((s) => ({ ...s, ...live.get(s.id) }));
