import type { SatelliteInfo, SatelliteState } from '../api/satellites.ts';

/** How a satellite is found and sorted, as cloud and console share it. */

/** The worst first. */
export const STATE_RANK: Readonly<Record<SatelliteState, number>> = {
  unreachable: 0,
  degraded: 1,
  enrolled: 2,
  healthy: 3,
  revoked: 4,
};

/** The words of a text by which somebody looks for satellites. */
export const wordsOf = (text: string): string[] =>
  text
    .toLowerCase()
    .split(/\s+/)
    .filter((w) => w !== '');

/** Whether a satellite fits each word: by id, name, node, state, version, address or tag. */
export function fits(s: SatelliteInfo, words: readonly string[]): boolean {
  if (words.length === 0) {
    return true;
  }
  const text = [
    s.id,
    s.name,
    s.node,
    s.state,
    s.version,
    ...s.addresses,
    ...Object.entries(s.tags).map(([name, value]) => `${name}=${value}`),
  ]
    .join(' ')
    .toLowerCase();
  return words.every((w) => text.includes(w));
}
