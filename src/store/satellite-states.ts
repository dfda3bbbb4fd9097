import type { Tx } from './kind.ts';
import type { SatelliteRenewalRow, SatelliteRow, SatelliteState } from './rows.ts';

/** Changes of state that are kept of each satellite. */
export const KEEP_STATES = 50;

/** Ends all that a satellite has: its keys, and those of a renewal that it has not used yet. */
export function revokeKeys(tx: Tx, row: SatelliteRow, at: number): void {
  if (tx.schema < KEYS_SCHEMA) {
    return;
  }
  const next = readRenewal(tx, row.id);
  voidKeys(tx, row.id, [row.bus_key, row.nkey, next?.bus_key ?? '', next?.nkey ?? ''], at);
  if (next !== undefined) {
    tx.run('DELETE FROM satellite_renewals WHERE satellite = ?', row.id);
  }
}

/** A key that was revoked is void for good, for whichever satellite it is shown. */
export function voidKeys(tx: Tx, satellite: string, keys: string[], at: number): void {
  for (const key of keys) {
    if (key !== '' && key !== NODE_KEY) {
      tx.run(
        'INSERT INTO revoked_keys (key, satellite, at) VALUES (?, ?, ?) ON CONFLICT (key) DO NOTHING',
        key,
        satellite,
        at,
      );
    }
  }
}

export function isRevoked(tx: Tx, key: string): boolean {
  return tx.schema >= KEYS_SCHEMA && tx.get('SELECT 1 FROM revoked_keys WHERE key = ?', key) !== undefined;
}

export function readSatellite(tx: Tx, id: string): SatelliteRow | undefined {
  return tx.get<SatelliteRow>('SELECT * FROM satellites WHERE id = ?', id);
}

export function readRenewal(tx: Tx, id: string): SatelliteRenewalRow | undefined {
  return tx.schema < RENEWALS_SCHEMA
    ? undefined
    : tx.get<SatelliteRenewalRow>('SELECT * FROM satellite_renewals WHERE satellite = ?', id);
}

/**
 * When the certificate of the row's key ends, milliseconds since 1970; undefined where the enrolment has not written it
 * down.
 */
export function certificateEnds(row: Pick<SatelliteRow, 'details'>): number | undefined {
  const { ends } = JSON.parse(row.details) as { ends?: unknown };
  return typeof ends === 'number' ? ends : undefined;
}

/** Schema from which on satellites renew their credentials. */
export const RENEWALS_SCHEMA = 6;
/** Schema from which on the history says who and why, and revoked keys are remembered. */
export const KEYS_SCHEMA = 4;
/** In the place of a key: a satellite of one of the cluster's nodes, whose certificate is the install's. */
export const NODE_KEY = 'node';

/** Appends to the satellite's history, whose oldest entries go. */
export function addState(
  tx: Tx,
  id: string,
  at: number,
  state: SatelliteState,
  why: { actor: string; reason: string },
): void {
  if (tx.schema < KEYS_SCHEMA) {
    tx.run(
      'INSERT INTO satellite_states (satellite, position, at, state) VALUES (?, ?, ?, ?)',
      id,
      tx.position,
      at,
      state,
    );
  } else {
    tx.run(
      'INSERT INTO satellite_states (satellite, position, at, state, actor, reason) VALUES (?, ?, ?, ?, ?, ?)',
      id,
      tx.position,
      at,
      state,
      why.actor,
      why.reason,
    );
  }
  tx.run(
    'DELETE FROM satellite_states WHERE satellite = ? AND position <= (SELECT position FROM satellite_states WHERE ' +
      'satellite = ? ORDER BY position DESC LIMIT 1 OFFSET ?)',
    id,
    id,
    KEEP_STATES,
  );
}
