import { z } from 'zod';
import { access, satelliteId, tags, title } from '../fields.ts';
import { defineCommand, refuse } from '../kind.ts';
import { readSatellite } from '../satellite-states.ts';
import { viewSatellite } from '../views.ts';

/** Renames, tags, chooses how it is queried; what is not given stays. */
export const command = defineCommand({
  since: 1,
  args: z.strictObject({ id: satelliteId, name: title.optional(), tags: tags.optional(), access: access.optional() }),
  apply(tx, { args }) {
    const before = readSatellite(tx, args.id);
    if (before === undefined) {
      refuse('not-found', `There is no satellite ${args.id}.`);
    }
    tx.run(
      'UPDATE satellites SET name = ?, tags = ?, access = ?, version = ? WHERE id = ?',
      args.name ?? before.name,
      args.tags === undefined ? before.tags : JSON.stringify(args.tags),
      args.access ?? before.access,
      tx.position,
      args.id,
    );
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
