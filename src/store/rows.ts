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
