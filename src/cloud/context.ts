import type { Overview } from '../api/overview.ts';
import type { CredentialsHolder } from './auth/credentials.ts';
import type { FailedLoginCounter } from './auth/failed-logins.ts';
import type { SessionUse } from './auth/sessions.ts';
import type { Throttle } from './auth/throttle.ts';
import type { Changes } from './changes.ts';
import type { Direct } from './direct/direct.ts';
import type { Metrics } from './metrics.ts';
import type { QueryProxy } from './queries.ts';
import type { SatellitesAuthority } from './satellites-authority.ts';
import type { SatelliteView } from './satellites-view.ts';
import type { Registry } from './satellites.ts';
import type { ScheduleKeeper } from './schedules.ts';
import type { State } from './state/state.ts';

/** What enrolment needs to know of this instance. */
export interface Enrolment {
  authority(): Promise<SatellitesAuthority>;
  /** The cluster's CA, PEM. */
  ca(): string;
  /** `host:port` of the bus, and of console and API, on each control plane. */
  clouds(): string[];
  consoles(): string[];
  /** Names of the cluster's nodes, whose satellites need no enrolment. */
  nodes(): readonly string[];
}

/** What the routes work with. */
export interface CloudContext {
  changes: Changes;
  credentials: CredentialsHolder;
  state: State;
  sessionUse: SessionUse;
  throttle: Throttle;
  failedLogins: Pick<FailedLoginCounter, 'failed'>;
  registry: Registry;
  satellites: SatelliteView;
  enrolment: Enrolment;
  metrics: Metrics;
  direct: Direct;
  /** Name and address of each control plane, on each of which there is an instance. */
  servers(): { name: string; address: string }[];
  /** The cloud's own DNS server, on every control plane. */
  dnsPort: number;
  queries(): QueryProxy | undefined;
  schedules(): ScheduleKeeper;
  overview(): Overview;
  /** Why this instance is not ready; undefined when it is. */
  notReady(): string | undefined;
  log(line: string): void;
  /** Aborted when this instance stops. */
  signal: AbortSignal;
}
