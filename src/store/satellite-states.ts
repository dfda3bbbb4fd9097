import type { Tx } from './kind.ts';
import type { SatelliteRow, SatelliteState } from './rows.ts';

/** Changes of state that are kept of each satellite. */
export const KEEP_STATES = 50;

export function readSatellite(tx: Tx, id: string): SatelliteRow | undefined {
  return tx.get<SatelliteRow>('SELECT * FROM satellites WHERE id = ?', id);
}

/** Appends to the satellite's history, whose oldest entries go. */
export function addState(tx: Tx, id: string, at: number, state: SatelliteState): void {
  tx.run('INSERT INTO satellite_states (satellite, position, at, state) VALUES (?, ?, ?, ?)', id, tx.position, at, state);
  tx.run('DELETE FROM satellite_states WHERE satellite = ? AND position <= (SELECT position FROM satellite_states WHERE satellite = ? ORDER BY position DESC LIMIT 1 OFFSET ?)', id, id, KEEP_STATES);
}
