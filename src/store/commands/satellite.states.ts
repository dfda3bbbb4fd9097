import { z } from 'zod';
import { satelliteId, time, why } from '../fields.ts';
import { defineCommand, type Json } from '../kind.ts';
import { addState, readSatellite } from '../satellite-states.ts';

/**
 * Changes of state as one instance has seen them, many at once. Unknown and revoked satellites are passed over, and so
 * is an observation that is older than the state that is known. The resources keep their versions: nobody's edit is
 * refused because a satellite was silent.
 */
export const command = defineCommand({
  since: 1,
  args: z.strictObject({
    states: z
      .array(
        z.strictObject({
          id: satelliteId,
          state: z.enum(['healthy', 'degraded', 'unreachable']),
          at: time,
          reason: why.optional(),
        }),
      )
      .min(1)
      .max(2000),
  }),
  apply(tx, { args, actor }) {
    const counts: Record<string, number> = { healthy: 0, degraded: 0, unreachable: 0 };
    let changed = 0;
    const told = new Set<string>();
    for (const { id, state, at, reason } of args.states) {
      const before = readSatellite(tx, id);
      if (before === undefined || before.state === 'revoked' || before.state === state || before.state_at > at) {
        continue;
      }
      // The history has one entry for each position.
      if (told.has(id)) {
        continue;
      }
      told.add(id);
      tx.run('UPDATE satellites SET state = ?, state_at = ? WHERE id = ?', state, at, id);
      addState(tx, id, at, state, { actor, reason: reason ?? '' });
      counts[state] = (counts[state] ?? 0) + 1;
      changed += 1;
    }
    return { value: changed, changes: [{ resource: 'satellite/*', before: null, after: counts as Json }] };
  },
});
