import { z } from 'zod';
import { satelliteId } from '../fields.ts';
import { defineCommand, refuse } from '../kind.ts';
import { RENEWALS_SCHEMA, readRenewal, readSatellite, voidKeys } from '../satellite-states.ts';

/**
 * The satellite has come with its next credential, which takes the place of the one before; that one's keys are void
 * for good. Once more is no harm.
 */
export const command = defineCommand({
  since: RENEWALS_SCHEMA,
  args: z.strictObject({ id: satelliteId, busKey: z.string().min(1).max(1024) }),
  apply(tx, { args, at }) {
    const row = readSatellite(tx, args.id);
    if (row === undefined) {
      refuse('not-found', `There is no satellite ${args.id}.`);
    }
    if (row.state === 'revoked') {
      refuse('denied', `${args.id} has been revoked.`);
    }
    const next = readRenewal(tx, args.id);
    const resource = `satellite/${args.id}`;
    if (row.bus_key === args.busKey) {
      return { changes: [{ resource, before: { key: row.bus_key }, after: { key: row.bus_key } }] };
    }
    if (next?.bus_key !== args.busKey) {
      refuse('denied', `${args.id} has not been given this key.`);
    }
    // The version stays: nobody's edit is refused because a satellite has renewed its certificate.
    tx.run(
      'UPDATE satellites SET bus_key = ?, nkey = ?, details = ? WHERE id = ?',
      next.bus_key,
      next.nkey,
      next.details,
      args.id,
    );
    tx.run('DELETE FROM satellite_renewals WHERE satellite = ?', args.id);
    voidKeys(tx, args.id, [row.bus_key, row.nkey], at);
    return { changes: [{ resource, before: { key: row.bus_key }, after: { key: next.bus_key } }] };
  },
});
