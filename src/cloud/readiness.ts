import type { Store } from '../store/database.ts';
import type { Recovery } from './state/recovery.ts';
import type { State } from './state/state.ts';

export interface ReadinessSources {
  stopping(): boolean;
  /** Whether this instance is connected to its node's nats-server. */
  connected(): boolean;
  db: Pick<Store, 'open'>;
  /** Whether the bus keeps no log for want of room. */
  starved(): boolean;
  /** Why nothing may be written; undefined while there is room. */
  diskFull(): string | undefined;
  state: Pick<State, 'notReady'>;
  recovery: Pick<Recovery, 'pending'>;
  /** Name of the Secret with the credentials. */
  secret: string;
}

/** Returns why an instance is not ready; undefined when it is. */
export function notReadyReason(sources: ReadinessSources): string | undefined {
  const { stopping, connected, db, starved, diskFull, state, recovery, secret } = sources;
  if (stopping()) {
    return 'This instance is stopping.';
  }
  if (!connected()) {
    return 'nats-server of this node is not reached.';
  }
  if (!db.open) {
    return 'The database is closed.';
  }
  if (starved()) {
    return (
      'The disk was full or could not be written, and the bus keeps no log on this node ' + 'until there is room again.'
    );
  }
  return (
    diskFull() ??
    state.notReady() ??
    (recovery.pending() ? `The credentials of the Secret ${secret} are not in the state yet.` : undefined)
  );
}
