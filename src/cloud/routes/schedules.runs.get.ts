import { runParams, scheduleRunSchema } from '../../api/schedules.ts';
import { API_PATHS } from '../api-paths.ts';
import { route as define } from '../http/route.ts';
import { knownRun, schedulesDb } from '../state/schedules.ts';
import { showRun } from '../state/views.ts';

export const route = define({
  method: 'GET',
  path: `${API_PATHS.schedules}/{id}/runs/{number}`,
  summary: 'One run of a schedule.',
  scope: 'read',
  params: runParams,
  reply: scheduleRunSchema,
  handle({ cloud, params: { id, number } }) {
    return showRun(knownRun(schedulesDb(cloud.state), id, number));
  },
});
