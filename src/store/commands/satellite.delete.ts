import { z } from 'zod';
import { satelliteId } from '../fields.ts';
import { defineCommand, refuse } from '../kind.ts';
import { readSatellite } from '../satellite-states.ts';
import { viewSatellite } from '../views.ts';

export const command = defineCommand({
  since: 1,
  args: z.strictObject({ id: satelliteId }),
  apply(tx, { args }) {
    const before = readSatellite(tx, args.id);
    if (before === undefined) {
      refuse('not-found', `There is no satellite ${args.id}.`);
    }
    tx.run('DELETE FROM satellites WHERE id = ?', args.id);
    return { changes: [{ resource: `satellite/${args.id}`, before: viewSatellite(before), after: null }] };
  },
});
