import { z } from 'zod';
import { pageOf } from '../../api/page.ts';
import { pageQuery } from '../../api/parameters.ts';
import { sessionSchema } from '../../api/users.ts';
import { API_PATHS } from '../api-paths.ts';
import { decodeCursor, page } from '../http/pages.ts';
import { route as define } from '../http/route.ts';
import { ownOf } from '../state/own.ts';
import { many, type SessionRow } from '../state/read.ts';
import { showSession } from '../state/views.ts';

export const route = define({
  method: 'GET',
  path: API_PATHS.sessions,
  summary:
    'Open sessions: the own ones; for administrators all, or one user\'s; for a token without the right "admin" none.',
  scope: 'self',
  query: z.strictObject({ ...pageQuery, user: z.string().min(1).max(64).optional() }),
  reply: pageOf(sessionSchema),
  handle({ cloud, query, caller }) {
    const own = ownOf(caller);
    if (own.of === 'token') {
      return { items: [], next: null };
    }
    const user = own.of === 'all' ? (query.user ?? null) : own.user;
    const rows = many<SessionRow>(
      cloud.state.replica().db,
      'SELECT * FROM sessions WHERE id > ? AND expires_at > ? AND (? IS NULL OR user = ?) ORDER BY id LIMIT ?',
      decodeCursor(query.cursor) ?? '',
      Date.now(),
      user,
      user,
      query.limit + 1,
    );
    return page(
      rows,
      query.limit,
      (r) => r.id,
      (r) => showSession(r, caller.session?.id),
    );
  },
});
