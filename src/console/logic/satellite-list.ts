import type { SatelliteInfo } from '../../cloud/api.ts';

export type SortKey = 'id' | 'state' | 'load' | 'lastSeen';

/** The worst first. */
const RANK: Record<SatelliteInfo['state'], number> = { unreachable: 0, degraded: 1, enrolled: 2, healthy: 3, revoked: 4 };

/**
 * The fleet: those that are heard, as they are now, and those that are not, as they were listed: revoked, or enrolled and never heard.
 */
export function fleetOf(heard: readonly SatelliteInfo[], listed: readonly SatelliteInfo[]): SatelliteInfo[] {
  const ids = new Set(heard.map((s) => s.id));
  return [...heard, ...listed.filter((s) => !ids.has(s.id) && (s.state === 'revoked' || s.state === 'enrolled' || s.state === 'unreachable'))];
}

/** Satellites that fit a text (name, tags, address, state), in order. */
export function listSatellites(all: readonly SatelliteInfo[], filter: string, sort: SortKey): SatelliteInfo[] {
  const words = filter.toLowerCase().split(/\s+/).filter((w) => w !== '');
  const text = (s: SatelliteInfo): string => [s.id, s.name, s.node, s.state, s.version, ...s.addresses, ...Object.entries(s.tags).map(([key, value]) => `${key}=${value}`)].join(' ').toLowerCase();
  const by: Record<SortKey, (a: SatelliteInfo, b: SatelliteInfo) => number> = {
    id: () => 0,
    state: (a, b) => RANK[a.state] - RANK[b.state],
    load: (a, b) => b.load[0] - a.load[0],
    lastSeen: (a, b) => a.lastSeen.localeCompare(b.lastSeen),
  };
  return all.filter((s) => words.every((w) => text(s).includes(w))).toSorted((a, b) => by[sort](a, b) || a.id.localeCompare(b.id));
}
