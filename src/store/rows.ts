/** Rows of the replicated tables as SQLite gives them; see schema/. */
export interface UserRow {
  name: string;
  role: 'admin' | 'operator' | 'viewer';
  password_hash: string;
  must_change: 0 | 1;
  disabled: 0 | 1;
  created_at: number;
  password_at: number;
  version: number;
}

export interface TokenRow {
  id: string;
  owner: string;
  name: string;
  hash: string;
  /** JSON. */
  scope: string;
  created_at: number;
  expires_at: number;
  version: number;
}

export interface SavedQueryRow {
  id: string;
  owner: string;
  name: string;
  sql: string;
  /** JSON. */
  details: string;
  updated_at: number;
  version: number;
}

export type SatelliteState = 'enrolled' | 'healthy' | 'degraded' | 'unreachable' | 'revoked';

export interface SatelliteRow {
  id: string;
  name: string;
  /** JSON, as are `details`. */
  tags: string;
  access: 'cloud' | 'direct' | 'both';
  bus_key: string;
  https_key: string;
  details: string;
  state: SatelliteState;
  state_at: number;
  enrolled_at: number;
  version: number;
  nkey: string;
}

export interface SatelliteRenewalRow {
  satellite: string;
  bus_key: string;
  nkey: string;
  /** JSON. */
  details: string;
  at: number;
}

export interface SatelliteStateRow {
  satellite: string;
  position: number;
  at: number;
  state: SatelliteState;
  actor: string;
  reason: string;
}

export interface DirectAuthorityRow {
  zone: string;
  /** PEM, as is `key`. */
  certificate: string;
  key: string;
  created_at: number;
  version: number;
}

export interface EnrolmentTokenRow {
  id: string;
  hash: string;
  /** JSON. */
  tags: string;
  uses_left: number;
  created_at: number;
  expires_at: number;
  created_by: string;
  version: number;
}

export interface AuditRow {
  position: number;
  id: string;
  at: number;
  actor: string;
  kind: string;
  outcome: string;
  resource: string | null;
  /** JSON: `Change[]`. */
  changes: string;
}

/** What people want, and how far it has come. Times are milliseconds since 1970. */
export interface ScheduleRow {
  id: string;
  owner: string;
  name: string;
  /** Of its own, or the id of a saved query: one of the two. */
  sql: string | null;
  query: string | null;
  /** JSON: `{satellites?, tags?}`. */
  target: string;
  /** JSON: `{timeoutMs, maxRows}`. */
  limits: string;
  interval_ms: number;
  state: 'enabled' | 'paused' | 'stopped';
  reason: string;
  created_at: number;
  updated_at: number;
  anchor: number;
  next_at: number;
  again: 0 | 1;
  number: number;
  running: number;
  done: number;
  partial: number;
  failed: number;
  lost: number;
  skipped: number;
  missed: number;
  version: number;
}

export type RunState = 'running' | 'done' | 'partial' | 'failed' | 'lost';

export interface ScheduleRunRow {
  schedule: string;
  number: number;
  position: number;
  due_at: number;
  begun_at: number;
  ended_at: number | null;
  runner: string;
  boot: string;
  cause: 'due' | 'again' | 'asked';
  actor: string;
  state: RunState;
  reason: string;
  /** JSON: number of satellites by state. */
  counts: string;
  /** JSON: `{satellite, state, message}[]`. */
  failures: string;
  rows: number;
  bytes: number;
  kept: number;
  packed: number;
  cut: '' | 'rows' | 'bytes' | 'rate' | 'dropped';
}
