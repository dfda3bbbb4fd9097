import { scopeSchema, type Scope } from '../../api/access.ts';
import type { AuditEntry } from '../../api/audit.ts';
import type { SavedQuery } from '../../api/saved-queries.ts';
import type { Schedule, ScheduleRun } from '../../api/schedules.ts';
import type { SessionInfo, Token, User } from '../../api/users.ts';
import type {
  AuditRow,
  EnrolmentTokenRow,
  SavedQueryRow,
  ScheduleRow,
  ScheduleRunRow,
  TokenRow,
  UserRow,
} from '../../store/rows.ts';
import type { EnrolmentToken } from '../satellites-api.ts';
import type { SessionRow } from './read.ts';

const iso = (ms: number): string => new Date(ms).toISOString();

/** Scopes of a newer release count for nothing here. */
export function tokenScopes(row: TokenRow): Scope[] {
  return (JSON.parse(row.scope) as unknown[]).flatMap((s) => {
    const known = scopeSchema.safeParse(s);
    return known.success ? [known.data] : [];
  });
}

/** Rows as the API shows them: nothing secret, not even its hash. */
export const showUser = (row: UserRow): User => ({
  name: row.name,
  role: row.role,
  disabled: row.disabled === 1,
  mustChangePassword: row.must_change === 1,
  createdAt: iso(row.created_at),
  passwordAt: iso(row.password_at),
  version: row.version,
});

export const showToken = (row: TokenRow): Token => ({
  id: row.id,
  owner: row.owner,
  name: row.name,
  scopes: tokenScopes(row),
  createdAt: iso(row.created_at),
  expiresAt: iso(row.expires_at),
  version: row.version,
});

export const showEnrolmentToken = (row: EnrolmentTokenRow): EnrolmentToken => ({
  id: row.id,
  tags: JSON.parse(row.tags) as EnrolmentToken['tags'],
  usesLeft: row.uses_left,
  createdAt: iso(row.created_at),
  expiresAt: iso(row.expires_at),
  createdBy: row.created_by,
  version: row.version,
});

export const showSession = (row: SessionRow, own: string | undefined): SessionInfo => ({
  id: row.id,
  user: row.user,
  address: row.address,
  createdAt: iso(row.created_at),
  expiresAt: iso(row.expires_at),
  current: row.id === own,
});

export const showQuery = (row: SavedQueryRow): SavedQuery => ({
  id: row.id,
  owner: row.owner,
  name: row.name,
  sql: row.sql,
  details: JSON.parse(row.details) as SavedQuery['details'],
  updatedAt: iso(row.updated_at),
  version: row.version,
});

export const showRun = (row: ScheduleRunRow): ScheduleRun => ({
  schedule: row.schedule,
  number: row.number,
  state: row.state,
  reason: row.reason,
  cause: row.cause,
  actor: row.actor,
  runner: row.runner,
  dueAt: iso(row.due_at),
  begunAt: iso(row.begun_at),
  endedAt: row.ended_at === null ? null : iso(row.ended_at),
  counts: JSON.parse(row.counts) as ScheduleRun['counts'],
  failures: JSON.parse(row.failures) as ScheduleRun['failures'],
  rows: row.rows,
  bytes: row.bytes,
  kept: row.kept,
  cut: row.cut,
});

/** @param last its newest run */
export const showSchedule = (row: ScheduleRow, last: ScheduleRunRow | undefined): Schedule => {
  const { satellites, tags } = JSON.parse(row.target) as { satellites?: string[]; tags?: Record<string, string> };
  const { timeoutMs, maxRows } = JSON.parse(row.limits) as { timeoutMs: number; maxRows: number };
  const { done, partial, failed, lost, skipped, missed } = row;
  return {
    id: row.id,
    owner: row.owner,
    name: row.name,
    sql: row.sql,
    query: row.query,
    satellites: satellites ?? null,
    tags: tags ?? {},
    everySeconds: row.interval_ms / 1000,
    timeoutMs,
    maxRows,
    state: row.state,
    reason: row.reason,
    createdAt: iso(row.created_at),
    updatedAt: iso(row.updated_at),
    nextAt: row.state === 'enabled' ? iso(row.next_at) : null,
    last: last === undefined ? null : showRun(last),
    counts: { done, partial, failed, lost, skipped, missed },
    version: row.version,
  };
};

export const showAudit = (row: AuditRow): AuditEntry => ({
  seq: row.position,
  id: row.id,
  at: iso(row.at),
  actor: row.actor,
  kind: row.kind,
  outcome: row.outcome,
  changes: JSON.parse(row.changes) as AuditEntry['changes'],
});
