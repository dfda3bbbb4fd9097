import { X509Certificate } from 'node:crypto';
import type { EnrolledSatellite, Topology } from '../bus/config.ts';
import type { Store } from '../store/database.ts';
import type { SatelliteRenewalRow, SatelliteRow } from '../store/rows.ts';
import { RENEWALS_SCHEMA } from '../store/satellite-states.ts';
import { many } from './state/read.ts';

/**
 * What an enrolment leaves in the row's `details`: the certificate, to answer a repetition with, and whom the bus has
 * to trust for it.
 */
export interface EnrolmentDetails {
  certificate: string;
  authority: string;
  /** When the certificate ends, milliseconds since 1970; those who enrolled with an earlier release have none. */
  ends?: number;
}

/** When this credential ends; undefined for a row without a certificate, as that of a node's satellite. */
export function credentialEnds({ certificate, ends }: Partial<EnrolmentDetails>): number | undefined {
  return certificate === undefined ? undefined : (ends ?? new X509Certificate(certificate).validToDate.getTime());
}

/** Who of the satellites may connect to the bus. */
export interface Admitted extends Required<Pick<Topology, 'satellites' | 'enrolled' | 'authorities'>> {
  revoked: string[];
  /**
   * Until when this holds by itself: then the next certificate ends, and who shows it, or its nkey, is no longer
   * admitted.
   */
  until: number;
  /** Whether the state has been read. */
  known: boolean;
}

export const NOBODY: Admitted = {
  satellites: [],
  enrolled: [],
  authorities: [],
  revoked: [],
  until: Number.POSITIVE_INFINITY,
  known: false,
};

/**
 * Of these nodes' satellites and of all that have enrolled, those that are not revoked and whose certificate has not
 * ended. A node's name belongs to its own satellite.
 */
export function admitted(
  db: Store,
  nodes: readonly string[],
  { schema, now }: { schema: number; now: number },
): Admitted {
  const enrolled: EnrolledSatellite[] = [];
  const authorities = new Set<string>();
  const revoked = new Set<string>();
  const ofNodes = new Set(nodes);
  let until = Number.POSITIVE_INFINITY;
  const admit = (id: string, row: Pick<SatelliteRow, 'bus_key' | 'nkey' | 'details'>): void => {
    const details = JSON.parse(row.details) as Partial<EnrolmentDetails>;
    if (details.authority === undefined || ofNodes.has(id)) {
      return;
    }
    const ends = credentialEnds(details) ?? Number.POSITIVE_INFINITY;
    if (ends <= now) {
      return;
    }
    until = Math.min(until, ends);
    enrolled.push({ id, key: row.bus_key, ...(row.nkey === '' ? {} : { nkey: row.nkey }) });
    authorities.add(details.authority);
  };
  const renewals = new Map(
    (schema < RENEWALS_SCHEMA ? [] : many<SatelliteRenewalRow>(db, 'SELECT * FROM satellite_renewals')).map((row) => [
      row.satellite,
      row,
    ]),
  );
  for (const row of many<Pick<SatelliteRow, 'id' | 'bus_key' | 'nkey' | 'state' | 'details'>>(
    db,
    'SELECT id, bus_key, nkey, state, details FROM satellites ORDER BY id',
  )) {
    if (row.state === 'revoked') {
      revoked.add(row.id);
      continue;
    }
    admit(row.id, row);
    const next = renewals.get(row.id);
    if (next !== undefined) {
      admit(row.id, next);
    }
  }
  return {
    satellites: nodes.filter((n) => !revoked.has(n)),
    enrolled,
    authorities: [...authorities].sort(),
    revoked: [...revoked],
    until,
    known: true,
  };
}
