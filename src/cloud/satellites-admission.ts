import type { EnrolledSatellite, Topology } from '../bus/config.ts';
import type { Store } from '../store/database.ts';
import type { SatelliteRow } from '../store/rows.ts';
import { many } from './state/read.ts';

/** What an enrolment leaves in the row's `details`: the certificate, to answer a repetition with, and whom the bus has to trust for it. */
export interface EnrolmentDetails {
  certificate: string;
  authority: string;
}

/** Who of the satellites may connect to the bus. */
export interface Admitted extends Required<Pick<Topology, 'satellites' | 'enrolled' | 'authorities'>> {
  revoked: string[];
  /** Whether the state has been read. */
  known: boolean;
}

export const NOBODY: Admitted = { satellites: [], enrolled: [], authorities: [], revoked: [], known: false };

/** Of these nodes' satellites and of all that have enrolled, those that are not revoked. A node's name belongs to its own satellite. */
export function admitted(db: Store, nodes: readonly string[]): Admitted {
  const enrolled: EnrolledSatellite[] = [];
  const authorities = new Set<string>();
  const revoked = new Set<string>();
  for (const row of many<Pick<SatelliteRow, 'id' | 'bus_key' | 'nkey' | 'state' | 'details'>>(db, 'SELECT id, bus_key, nkey, state, details FROM satellites ORDER BY id')) {
    if (row.state === 'revoked') {
      revoked.add(row.id);
      continue;
    }
    const { authority } = JSON.parse(row.details) as Partial<EnrolmentDetails>;
    if (authority === undefined || nodes.includes(row.id)) continue;
    enrolled.push({ id: row.id, key: row.bus_key, ...(row.nkey === '' ? {} : { nkey: row.nkey }) });
    authorities.add(authority);
  }
  return { satellites: nodes.filter((n) => !revoked.has(n)), enrolled, authorities: [...authorities].sort(), revoked: [...revoked], known: true };
}
