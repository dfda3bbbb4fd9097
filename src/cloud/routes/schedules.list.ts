import { pageOf } from '../../api/page.ts';
import { listQuery } from '../../api/parameters.ts';
import { scheduleSchema } from '../../api/schedules.ts';
import type { ScheduleRow } from '../../store/rows.ts';
import { API_PATHS } from '../api-paths.ts';
import { decodeCursor, page } from '../http/pages.ts';
import { route as define } from '../http/route.ts';
import { many } from '../state/read.ts';
import { schedulesDb, shownSchedule } from '../state/schedules.ts';

export const route = define({
  method: 'GET',
  path: API_PATHS.schedules,
  summary: 'Queries that run by themselves, of all users, each with its last run.',
  scope: 'read',
  query: listQuery,
  reply: pageOf(scheduleSchema),
  handle({ cloud, query }) {
    const db = schedulesDb(cloud.state);
    const rows = many<ScheduleRow>(
      db,
      'SELECT * FROM schedules WHERE id > ? ORDER BY id LIMIT ?',
      decodeCursor(query.cursor) ?? '',
      query.limit + 1,
    );
    return page(
      rows,
      query.limit,
      (r) => r.id,
      (r) => shownSchedule(db, r),
    );
  },
});
