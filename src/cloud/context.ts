import type { CredentialsHolder } from './auth/credentials.ts';
import type { Throttle } from './auth/throttle.ts';
import type { EndedSessions } from '../store/sessions.ts';
import type { Overview } from './api.ts';
import type { Changes } from './changes.ts';
import type { QueryProxy } from './queries.ts';
import type { Registry } from './satellites.ts';

/** What the routes work with. */
export interface CloudContext {
  changes: Changes;
  credentials: CredentialsHolder;
  throttle: Throttle;
  sessions: {
    ended: EndedSessions;
    /** Ends a session on every instance. */
    end(id: string, expiresAt: number): void;
  };
  registry: Registry;
  queries(): QueryProxy | undefined;
  overview(): Overview;
  /** Why this instance is not ready; undefined when it is. */
  notReady(): string | undefined;
  log(line: string): void;
  /** Aborted when this instance stops. */
  signal: AbortSignal;
}
