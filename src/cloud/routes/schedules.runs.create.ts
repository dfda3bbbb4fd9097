import { idParams } from '../../api/parameters.ts';
import { scheduleRunSchema } from '../../api/schedules.ts';
import { API_PATHS } from '../api-paths.ts';
import { change } from '../http/change.ts';
import { notFound } from '../http/problem.ts';
import { route as define } from '../http/route.ts';
import { refuseOthers } from '../state/own.ts';
import { knownSchedule, runByNumber, schedulesDb } from '../state/schedules.ts';
import { showRun } from '../state/views.ts';

export const route = define({
  method: 'POST',
  path: `${API_PATHS.schedules}/{id}/runs`,
  summary: "Begins a run now, beside the regular ones; a schedule of somebody else's for administrators only.",
  scope: 'query',
  params: idParams,
  reply: scheduleRunSchema,
  status: 201,
  // A run changes nothing that anybody has decided: it is among the schedule's runs, not in the audit log.
  audit: [],
  async handle(request) {
    const {
      cloud,
      params: { id },
      caller,
    } = request;
    refuseOthers(caller, `The schedule ${id}`, knownSchedule(schedulesDb(cloud.state), id).owner);
    const number = await cloud.schedules().runNow(id, caller.user, (draft) => change(request, draft));
    const run = runByNumber(schedulesDb(cloud.state), id, number);
    if (run === undefined) {
      throw notFound(`The schedule ${id} has been deleted meanwhile.`);
    }
    return showRun(run);
  },
});
