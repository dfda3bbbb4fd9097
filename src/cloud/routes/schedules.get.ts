import { idParams } from '../../api/parameters.ts';
import { scheduleSchema } from '../../api/schedules.ts';
import { API_PATHS } from '../api-paths.ts';
import { setVersion } from '../http/change.ts';
import { route as define } from '../http/route.ts';
import { knownSchedule, schedulesDb, shownSchedule } from '../state/schedules.ts';

export const route = define({
  method: 'GET',
  path: `${API_PATHS.schedules}/{id}`,
  summary: 'One schedule, with its last run.',
  scope: 'read',
  params: idParams,
  reply: scheduleSchema,
  handle({ ctx, cloud, params }) {
    const db = schedulesDb(cloud.state);
    const row = knownSchedule(db, params.id);
    setVersion(ctx, row);
    return shownSchedule(db, row);
  },
});
