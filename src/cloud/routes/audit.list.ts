import { z } from 'zod';
import { auditSchema } from '../../api/audit.ts';
import { pageOf } from '../../api/page.ts';
import { pageQuery } from '../../api/parameters.ts';
import type { AuditRow } from '../../store/rows.ts';
import { API_PATHS } from '../api-paths.ts';
import { decodeCursor, page } from '../http/pages.ts';
import { badCursor } from '../http/problem.ts';
import { route as define } from '../http/route.ts';
import { many } from '../state/read.ts';
import { showAudit } from '../state/views.ts';

export const route = define({
  method: 'GET',
  path: API_PATHS.audit,
  summary: 'Every change with who, what, before and after, the newest first; the newest 100,000 are kept.',
  scope: 'admin',
  query: z.strictObject({
    ...pageQuery,
    resource: z.string().min(1).max(300).optional(),
    actor: z.string().min(1).max(256).optional(),
  }),
  reply: pageOf(auditSchema),
  handle({ cloud, query }) {
    const cursor = decodeCursor(query.cursor);
    if (cursor !== undefined && !/^\d{1,15}$/.test(cursor)) {
      throw badCursor();
    }
    const resource = query.resource ?? null;
    const actor = query.actor ?? null;
    const rows = many<AuditRow>(
      cloud.state.replica().db,
      'SELECT * FROM audit WHERE position < ? AND (? IS NULL OR resource = ?) AND (? IS NULL OR actor = ?) ORDER ' +
        'BY position DESC LIMIT ?',
      cursor === undefined ? Number.MAX_SAFE_INTEGER : Number(cursor),
      resource,
      resource,
      actor,
      actor,
      query.limit + 1,
    );
    return page(rows, query.limit, (r) => r.position, showAudit);
  },
});
