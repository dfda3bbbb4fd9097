import { expectQuery, idParams } from '../../api/parameters.ts';
import { API_PATHS } from '../api-paths.ts';
import { change, isRepetition } from '../http/change.ts';
import { notFound } from '../http/problem.ts';
import { route as define } from '../http/route.ts';
import { refuseOthers } from '../state/own.ts';
import { scheduleById, schedulesDb } from '../state/schedules.ts';

export const route = define({
  method: 'DELETE',
  path: `${API_PATHS.schedules}/{id}`,
  summary: "Deletes a schedule with its runs and their rows; one of somebody else's for administrators only.",
  scope: 'query',
  params: idParams,
  query: expectQuery,
  audit: ['schedule.delete'],
  async handle(request) {
    const {
      ctx,
      cloud,
      params: { id },
      query,
      caller,
    } = request;
    const before = scheduleById(schedulesDb(cloud.state), id);
    if (before === undefined && !isRepetition(ctx)) {
      throw notFound(`There is no schedule ${id}.`);
    }
    refuseOthers(caller, `The schedule ${id}`, before?.owner);
    await change(request, {
      kind: 'schedule.delete',
      args: { id },
      on: { resource: `schedule/${id}`, expect: query.expect ?? before?.version },
    });
  },
});
