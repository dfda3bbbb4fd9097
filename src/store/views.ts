import type { Json } from './kind.ts';
import type { EnrolmentTokenRow, SatelliteRow, SavedQueryRow, TokenRow, UserRow } from './rows.ts';

/** Rows as the audit log shows them: no hash of anything secret. */
export const viewUser = (row: UserRow | undefined): Json =>
  row === undefined
    ? null
    : {
        role: row.role,
        mustChangePassword: row.must_change === 1,
        disabled: row.disabled === 1,
        passwordAt: row.password_at,
      };

export const viewToken = (row: TokenRow | undefined): Json =>
  row === undefined
    ? null
    : { owner: row.owner, name: row.name, scope: JSON.parse(row.scope) as Json, expiresAt: row.expires_at };

export const viewQuery = (row: SavedQueryRow | undefined): Json =>
  row === undefined
    ? null
    : { owner: row.owner, name: row.name, sql: row.sql, details: JSON.parse(row.details) as Json };

export const viewSatellite = (row: SatelliteRow | undefined): Json =>
  row === undefined
    ? null
    : { name: row.name, tags: JSON.parse(row.tags) as Json, access: row.access, state: row.state };

export const viewEnrolment = (row: EnrolmentTokenRow | undefined): Json =>
  row === undefined ? null : { tags: JSON.parse(row.tags) as Json, usesLeft: row.uses_left, expiresAt: row.expires_at };
