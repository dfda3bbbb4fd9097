import { z } from 'zod';
import { access, details, nkey, resourceId, satelliteId, tags, title } from '../fields.ts';
import { defineCommand, refuse, type Change, type Tx } from '../kind.ts';
import type { EnrolmentTokenRow, SatelliteRow } from '../rows.ts';
import {
  KEYS_SCHEMA,
  RENEWALS_SCHEMA,
  addState,
  certificateEnds,
  isRevoked,
  readSatellite,
  revokeKeys,
} from '../satellite-states.ts';
import { viewEnrolment, viewSatellite } from '../views.ts';

/**
 * Registers a satellite with the public keys that it made. With `token` the enrolment token is spent, and expired by
 * the command's own time;
 * without, the proposer has authenticated it otherwise (a node of this cluster). The same keys may enrol again; others
 * only after a revocation, or where the certificate of those before has ended (from schema 6 on), and a key that was
 * revoked never (from schema 4 on; an nkey belongs to one satellite).
 */
export const command = defineCommand({
  since: 1,
  args: z.strictObject({
    id: satelliteId,
    name: title,
    tags,
    access,
    busKey: z.string().min(1).max(1024),
    httpsKey: z.string().max(1024),
    details,
    token: resourceId.optional(),
    nkey: nkey.optional(),
  }),
  apply(tx, { args, at, actor }) {
    const spent = args.token === undefined ? undefined : spendToken(tx, args.token, at);
    const given = { ...args.tags, ...spent?.tags };
    const before = tx.get<SatelliteRow>('SELECT * FROM satellites WHERE id = ?', args.id);
    const ended = before !== undefined && tx.schema >= RENEWALS_SCHEMA && (certificateEnds(before) ?? at) < at;
    if (before !== undefined && before.state !== 'revoked' && before.bus_key !== args.busKey && !ended) {
      refuse('exists', `There is another satellite ${args.id} already.`);
    }
    if (isRevoked(tx, args.busKey)) {
      refuse('denied', `This key of ${args.id} has been revoked for good.`);
    }
    if (args.nkey !== undefined && isRevoked(tx, args.nkey)) {
      refuse('denied', `The nkey of ${args.id} has been revoked for good.`);
    }
    if (
      args.nkey !== undefined &&
      tx.schema >= KEYS_SCHEMA &&
      tx.get('SELECT 1 FROM satellites WHERE nkey = ? AND id <> ?', args.nkey, args.id) !== undefined
    ) {
      refuse('exists', 'This nkey is that of another satellite.');
    }
    // Twice in a server's configuration it would be refused as a whole.
    if (
      args.nkey !== undefined &&
      tx.schema >= RENEWALS_SCHEMA &&
      tx.get('SELECT 1 FROM satellite_renewals WHERE nkey = ?', args.nkey) !== undefined
    ) {
      refuse('exists', 'This nkey is one that a satellite is about to renew to.');
    }
    if (ended && before.bus_key !== args.busKey) {
      revokeKeys(tx, before, at);
    }
    tx.run(
      `INSERT INTO satellites (id, name, tags, access, bus_key, https_key, details, state, state_at, enrolled_at,
        version)
      VALUES (?, ?, ?, ?, ?, ?, ?, 'enrolled', ?, ?, ?)
      ON CONFLICT (id) DO UPDATE SET
        bus_key = excluded.bus_key, https_key = excluded.https_key, details = excluded.details,
        state = excluded.state, state_at = excluded.state_at, enrolled_at = excluded.enrolled_at,
        version = excluded.version`,
      args.id,
      args.name,
      JSON.stringify(given),
      args.access,
      args.busKey,
      args.httpsKey,
      JSON.stringify(args.details),
      at,
      at,
      tx.position,
    );
    if (tx.schema >= KEYS_SCHEMA) {
      tx.run('UPDATE satellites SET nkey = ? WHERE id = ?', args.nkey ?? '', args.id);
    }
    addState(tx, args.id, at, 'enrolled', { actor, reason: before === undefined ? 'enrolled' : 'enrolled again' });
    return {
      changes: [
        {
          resource: `satellite/${args.id}`,
          before: viewSatellite(before),
          after: viewSatellite(readSatellite(tx, args.id)),
        },
        ...(spent === undefined ? [] : [spent.change]),
      ],
    };
  },
});

/** Uses an enrolment token once. @returns the tags that it gives to the satellite */
function spendToken(tx: Tx, id: string, at: number): { tags: Record<string, string>; change: Change } {
  const token = tx.get<EnrolmentTokenRow>('SELECT * FROM enrolment_tokens WHERE id = ?', id);
  if (token === undefined) {
    refuse('denied', 'This enrolment token does not exist.');
  }
  if (token.expires_at < at) {
    refuse('denied', 'This enrolment token has expired.');
  }
  if (token.uses_left < 1) {
    refuse('denied', 'This enrolment token has been used up.');
  }
  tx.run('UPDATE enrolment_tokens SET uses_left = uses_left - 1, version = ? WHERE id = ?', tx.position, id);
  return {
    tags: JSON.parse(token.tags) as Record<string, string>,
    change: {
      resource: `enrolment/${id}`,
      before: viewEnrolment(token),
      after: viewEnrolment({ ...token, uses_left: token.uses_left - 1 }),
    },
  };
}
