import { z } from 'zod';
import { details, nkey, satelliteId } from '../fields.ts';
import { defineCommand, refuse } from '../kind.ts';
import type { SatelliteRenewalRow } from '../rows.ts';
import { RENEWALS_SCHEMA, isRevoked, readRenewal, readSatellite } from '../satellite-states.ts';

/**
 * Gives a satellite its next credential, for keys that it has made. Both hold until `satellite.renewed`; another
 * request takes the place of one that was not used. `from`: the key by which the proposer knew it, so that a renewal
 * never outlives a revocation that came between.
 */
export const command = defineCommand({
  since: RENEWALS_SCHEMA,
  args: z.strictObject({
    id: satelliteId,
    from: z.string().min(1).max(1024),
    busKey: z.string().min(1).max(1024),
    nkey,
    details,
  }),
  apply(tx, { args, at }) {
    const row = readSatellite(tx, args.id);
    if (row === undefined) {
      refuse('not-found', `There is no satellite ${args.id}.`);
    }
    if (row.state === 'revoked') {
      refuse('denied', `${args.id} has been revoked.`);
    }
    if (row.bus_key !== args.from) {
      refuse('denied', `The key of ${args.id} has been changed meanwhile.`);
    }
    if (args.busKey === row.bus_key || args.nkey === row.nkey) {
      refuse('exists', `${args.id} has these keys already.`);
    }
    if (isRevoked(tx, args.busKey) || isRevoked(tx, args.nkey)) {
      refuse('denied', `These keys of ${args.id} are void for good.`);
    }
    const taken =
      tx.get('SELECT 1 FROM satellites WHERE nkey = ?', args.nkey) ??
      tx.get('SELECT 1 FROM satellite_renewals WHERE nkey = ? AND satellite <> ?', args.nkey, args.id);
    if (taken !== undefined) {
      refuse('exists', 'This nkey is that of another satellite.');
    }
    const before = readRenewal(tx, args.id);
    tx.run(
      `INSERT INTO satellite_renewals (satellite, bus_key, nkey, details, at) VALUES (?, ?, ?, ?, ?)
      ON CONFLICT (satellite) DO UPDATE SET
        bus_key = excluded.bus_key, nkey = excluded.nkey, details = excluded.details, at = excluded.at`,
      args.id,
      args.busKey,
      args.nkey,
      JSON.stringify(args.details),
      at,
    );
    return {
      changes: [
        { resource: `satellite/${args.id}`, before: viewKey(before), after: viewKey(readRenewal(tx, args.id)) },
      ],
    };
  },
});

const viewKey = (row: SatelliteRenewalRow | undefined): { nextKey: string } | null =>
  row === undefined ? null : { nextKey: row.bus_key };
