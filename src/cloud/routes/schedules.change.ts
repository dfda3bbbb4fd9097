import { idParams } from '../../api/parameters.ts';
import { scheduleChangeBody, scheduleSchema } from '../../api/schedules.ts';
import { mayQuery } from '../../store/schedules.ts';
import { API_PATHS } from '../api-paths.ts';
import { change, setVersion } from '../http/change.ts';
import { notFound } from '../http/problem.ts';
import { route as define } from '../http/route.ts';
import { refuseOthers } from '../state/own.ts';
import { userByName } from '../state/read.ts';
import { knownSchedule, scheduleById, schedulesDb, shownSchedule } from '../state/schedules.ts';

export const route = define({
  method: 'PATCH',
  path: `${API_PATHS.schedules}/{id}`,
  summary: "Pauses a schedule, or has it run again; one of somebody else's for administrators only.",
  scope: 'query',
  params: idParams,
  body: scheduleChangeBody,
  reply: scheduleSchema,
  audit: ['schedule.state'],
  async handle(request) {
    const {
      ctx,
      cloud,
      params: { id },
      body: { paused, expect },
      caller,
    } = request;
    const db = schedulesDb(cloud.state);
    const before = knownSchedule(db, id);
    refuseOthers(caller, `The schedule ${id}`, before.owner);
    const owner = mayQuery(userByName(db, before.owner)) ? before.owner : caller.user;
    await change(request, {
      kind: 'schedule.state',
      args: { id, state: paused ? 'paused' : 'enabled', reason: '', owner },
      on: { resource: `schedule/${id}`, expect: expect ?? before.version },
    });
    const now = schedulesDb(cloud.state);
    const row = scheduleById(now, id);
    if (row === undefined) {
      throw notFound(`The schedule ${id} has been deleted meanwhile.`);
    }
    setVersion(ctx, row);
    return shownSchedule(now, row);
  },
});
