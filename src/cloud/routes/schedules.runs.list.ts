import { pageOf } from '../../api/page.ts';
import { idParams } from '../../api/parameters.ts';
import { scheduleRunSchema } from '../../api/schedules.ts';
import type { ScheduleRunRow } from '../../store/rows.ts';
import { API_PATHS } from '../api-paths.ts';
import { route as define } from '../http/route.ts';
import { many } from '../state/read.ts';
import { knownSchedule, schedulesDb } from '../state/schedules.ts';
import { showRun } from '../state/views.ts';

export const route = define({
  method: 'GET',
  path: `${API_PATHS.schedules}/{id}/runs`,
  summary: 'The last 10 runs of a schedule, the newest first.',
  scope: 'read',
  params: idParams,
  reply: pageOf(scheduleRunSchema),
  handle({ cloud, params: { id } }) {
    const db = schedulesDb(cloud.state);
    knownSchedule(db, id);
    return {
      items: many<ScheduleRunRow>(db, 'SELECT * FROM schedule_runs WHERE schedule = ? ORDER BY number DESC', id).map(
        showRun,
      ),
      next: null,
    };
  },
});
