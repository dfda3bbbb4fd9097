import type { Announcement } from '../pipe.ts';
import { isApplying, metaOf, newestSnapshot, supportedSchema, type ClusterContext } from './context.ts';

/** Milliseconds between two announcements of an instance. */
export const ANNOUNCE_MS = 5000;

/** Tells the other instances where this one is. */
export function announce(context: ClusterContext): void {
  const { state, comparison, options } = context;
  state.last.announced = options.timing.now();
  const { epoch, message, position, chain, schema } = metaOf(context);
  const announcement: Announcement = {
    v: 1,
    from: options.self,
    epoch,
    message,
    position,
    chain,
    schema,
    supports: supportedSchema(context),
    snapshot: newestSnapshot(context)?.message ?? -1,
    applying: isApplying(context),
    differs: comparison.differs(),
  };
  options.peers.announce(announcement);
}
