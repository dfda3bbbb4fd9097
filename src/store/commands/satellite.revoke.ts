import { z } from 'zod';
import { satelliteId, why } from '../fields.ts';
import { defineCommand, refuse } from '../kind.ts';
import { addState, readSatellite, revokeKeys } from '../satellite-states.ts';
import { viewSatellite } from '../views.ts';

/** Ends both its keys for good; it may enrol again with new ones. */
export const command = defineCommand({
  since: 1,
  args: z.strictObject({ id: satelliteId, reason: why.optional() }),
  apply(tx, { args, at, actor }) {
    const before = readSatellite(tx, args.id);
    if (before === undefined) {
      refuse('not-found', `There is no satellite ${args.id}.`);
    }
    if (before.state !== 'revoked') {
      tx.run(
        "UPDATE satellites SET state = 'revoked', state_at = ?, version = ? WHERE id = ?",
        at,
        tx.position,
        args.id,
      );
      revokeKeys(tx, before, at);
      addState(tx, args.id, at, 'revoked', { actor, reason: args.reason ?? '' });
    }
    return {
      changes: [
        {
          resource: `satellite/${args.id}`,
          before: viewSatellite(before),
          after: viewSatellite(readSatellite(tx, args.id)),
        },
      ],
    };
  },
});
