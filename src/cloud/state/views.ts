import type { AuditRow, SavedQueryRow, TokenRow, UserRow } from '../../store/rows.ts';
import type { AuditEntry, SavedQuery, SessionInfo, Token, User } from '../api.ts';
import { tokenScopes } from '../http/auth.ts';
import type { SessionRow } from './read.ts';

const iso = (ms: number): string => new Date(ms).toISOString();

/** Rows as the API shows them: nothing secret, not even its hash. */
export const showUser = (row: UserRow): User => ({
  name: row.name, role: row.role, disabled: row.disabled === 1, mustChangePassword: row.must_change === 1, createdAt: iso(row.created_at), passwordAt: iso(row.password_at), version: row.version,
});

export const showToken = (row: TokenRow): Token => ({
  id: row.id, owner: row.owner, name: row.name, scopes: tokenScopes(row), createdAt: iso(row.created_at), expiresAt: iso(row.expires_at), version: row.version,
});

export const showSession = (row: SessionRow, own: string | undefined): SessionInfo => ({
  id: row.id, user: row.user, address: row.address, createdAt: iso(row.created_at), expiresAt: iso(row.expires_at), current: row.id === own,
});

export const showQuery = (row: SavedQueryRow): SavedQuery => ({
  id: row.id, owner: row.owner, name: row.name, sql: row.sql, details: JSON.parse(row.details) as SavedQuery['details'], updatedAt: iso(row.updated_at), version: row.version,
});

export const showAudit = (row: AuditRow): AuditEntry => ({
  seq: row.position, id: row.id, at: iso(row.at), actor: row.actor, kind: row.kind, outcome: row.outcome, changes: JSON.parse(row.changes) as AuditEntry['changes'],
});
