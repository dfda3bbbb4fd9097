import type { FleetTable, SatelliteInfo } from '../api/satellites.ts';

type Tables = SatelliteInfo['tables'];

/**
 * The tables of some satellites, by name; of another release's table all columns that any of them has.
 * @param own tables of each; where those of many are one and the same array, they are looked at once
 */
export function tablesOf(own: Iterable<Tables>): FleetTable[] {
  const times = new Map<Tables, number>();
  for (const tables of own) {
    times.set(tables, (times.get(tables) ?? 0) + 1);
  }
  const found = new Map<string, FleetTable>();
  for (const [tables, n] of times) {
    for (const { name, columns } of tables) {
      const known = found.get(name);
      if (known === undefined) {
        found.set(name, { name, columns: [...columns], on: n });
      } else {
        known.on += n;
        addMissing(known.columns, columns);
      }
    }
  }
  return [...found.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function addMissing(known: string[], columns: readonly string[]): void {
  for (const column of columns) {
    if (!known.includes(column)) {
      known.push(column);
    }
  }
}
