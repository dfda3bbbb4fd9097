import { API_PATHS, runParams, scheduleRunSchema } from '../api.ts';
import { notFound } from '../http/problem.ts';
import { route as define } from '../http/route.ts';
import { runByNumber, schedulesDb } from '../state/schedules.ts';
import { showRun } from '../state/views.ts';

export const route = define({
  method: 'GET',
  path: `${API_PATHS.schedules}/{id}/runs/{number}`,
  summary: 'One run of a schedule.',
  scope: 'read',
  params: runParams,
  reply: scheduleRunSchema,
  handle({ cloud, params: { id, number } }) {
    const run = runByNumber(schedulesDb(cloud.state), id, number);
    if (run === undefined) throw notFound(`There is no run ${number} of a schedule ${id}; the last 10 are kept.`);
    return showRun(run);
  },
});
