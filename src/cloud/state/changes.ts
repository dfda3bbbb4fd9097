import type { Scope } from '../../api/access.ts';
import type { ChangeLine, Topic } from '../../api/watch.ts';
import type { Store } from '../../store/database.ts';
import type { AuditRow, EnrolmentTokenRow, SatelliteRow, SavedQueryRow } from '../../store/rows.ts';
import { viewSatellite } from '../../store/views.ts';
import type { Caller } from '../auth/access.ts';
import { many, one, sessionById, tokenById, userByName } from './read.ts';
import { runsAfter, scheduleById, shownSchedule } from './schedules.ts';
import { showAudit, showEnrolmentToken, showQuery, showSession, showToken, showUser } from './views.ts';

interface Source {
  scope: Scope;
  /** First part of the resource's name in the audit log. */
  type: string;
  /** As a GET shows it now. */
  show(db: Store, key: string): unknown;
}

const shown = <Row>(row: Row | undefined, show: (row: Row) => unknown): unknown =>
  row === undefined ? null : show(row);

const SOURCES: Partial<Record<Topic, Source>> = {
  users: { scope: 'admin', type: 'user', show: (db, key) => shown(userByName(db, key), showUser) },
  tokens: { scope: 'admin', type: 'token', show: (db, key) => shown(tokenById(db, key), showToken) },
  'enrolment-tokens': {
    scope: 'operate',
    type: 'enrolment',
    show: (db, key) =>
      shown(one<EnrolmentTokenRow>(db, 'SELECT * FROM enrolment_tokens WHERE id = ?', key), showEnrolmentToken),
  },
  sessions: {
    scope: 'admin',
    type: 'session',
    show: (db, key) => shown(sessionById(db, key), (row) => showSession(row, undefined)),
  },
  'saved-queries': {
    scope: 'read',
    type: 'query',
    show: (db, key) => shown(one<SavedQueryRow>(db, 'SELECT * FROM saved_queries WHERE id = ?', key), showQuery),
  },
  schedules: {
    scope: 'read',
    type: 'schedule',
    show: (db, key) => shown(scheduleById(db, key), (row) => shownSchedule(db, row)),
  },
  // What its heartbeats say comes with the fleet; here is what is in the state.
  satellites: {
    scope: 'read',
    type: 'satellite',
    show: (db, key) => shown(one<SatelliteRow>(db, 'SELECT * FROM satellites WHERE id = ?', key), viewSatellite),
  },
};

/** Kinds that say something of a resource and change nothing of it: for the audit log alone. */
const NOTES: ReadonlySet<string> = new Set(['audit.note', 'login.failed']);

export function watchable(topic: Topic, caller: Caller): boolean {
  if (topic === 'overview' || topic === 'fleet') {
    return caller.scopes.has('read');
  }
  return caller.scopes.has(SOURCES[topic]?.scope ?? 'admin');
}

/** Position of the oldest change that is kept; 0 where there is none. */
export function oldestChange(db: Store): number {
  return one<{ oldest: number | null }>(db, 'SELECT min(position) AS oldest FROM audit')?.oldest ?? 0;
}

/** At most so many entries are read at once. */
export const CHANGES_AT_ONCE = 200;

/** Changes after a position, in order, and the position up to which has been looked. */
export function changesAfter(
  db: Store,
  after: number,
  topics: ReadonlySet<Topic>,
): { lines: ChangeLine[]; upTo: number; more: boolean } {
  const rows = many<AuditRow>(
    db,
    'SELECT * FROM audit WHERE position > ? ORDER BY position LIMIT ?',
    after,
    CHANGES_AT_ONCE,
  );
  const lines: ChangeLine[] = [];
  for (const row of rows) {
    const entry = showAudit(row);
    if (topics.has('audit')) {
      lines.push({ seq: row.position, topic: 'audit', change: 'created', key: entry.id, item: entry });
    }
    if (row.outcome !== 'ok' || NOTES.has(row.kind)) {
      continue;
    }
    for (const { resource, before, after: now } of entry.changes) {
      const slash = resource.indexOf('/');
      const key = resource.slice(slash + 1);
      for (const topic of topics) {
        const source = SOURCES[topic];
        // `satellite/*` is what many did at once, of which each is told by its heartbeats.
        if (source === undefined || source.type !== resource.slice(0, slash) || key === '*') {
          continue;
        }
        lines.push({
          seq: row.position,
          topic,
          change: changeOf(before, now),
          key,
          item: now === null ? null : source.show(db, key),
        });
      }
    }
  }
  const more = rows.length === CHANGES_AT_ONCE;
  const upTo = rows.at(-1)?.position ?? after;
  if (!topics.has('schedules') || !hasSchedules(db)) {
    return { lines, upTo, more };
  }
  // Runs are not in the audit log; of each schedule what is now is told, once.
  const runs = runsAfter(db, after).filter(({ position }) => !more || position <= upTo);
  const told: ChangeLine[] = runs.map(({ schedule, position }) => ({
    seq: position,
    topic: 'schedules',
    change: 'changed',
    key: schedule,
    item: SOURCES.schedules?.show(db, schedule),
  }));
  return {
    lines: [...lines, ...told].sort((a, b) => a.seq - b.seq),
    upTo: Math.max(upTo, runs.at(-1)?.position ?? 0),
    more,
  };
}

function changeOf(before: unknown, now: unknown): ChangeLine['change'] {
  if (now === null) {
    return 'deleted';
  }
  return before === null ? 'created' : 'changed';
}

const hasSchedules = (db: Store): boolean =>
  one(db, "SELECT 1 FROM sqlite_schema WHERE name = 'schedules'") !== undefined;
