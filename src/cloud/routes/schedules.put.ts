import { idParams } from '../../api/parameters.ts';
import { scheduleBody, scheduleSchema } from '../../api/schedules.ts';
import { mayQuery } from '../../store/schedules.ts';
import { API_PATHS } from '../api-paths.ts';
import { change, setVersion } from '../http/change.ts';
import { HttpProblem, notFound } from '../http/problem.ts';
import { route as define } from '../http/route.ts';
import { refuseOthers } from '../state/own.ts';
import { one, userByName } from '../state/read.ts';
import { scheduleById, schedulesDb, shownSchedule } from '../state/schedules.ts';

export const route = define({
  method: 'PUT',
  path: `${API_PATHS.schedules}/{id}`,
  summary:
    "Has a query run every so many seconds, with the rights that its owner has each time; one of somebody else's " +
    'is replaced by administrators only.',
  scope: 'query',
  params: idParams,
  body: scheduleBody,
  reply: scheduleSchema,
  audit: ['schedule.put'],
  async handle(request) {
    const {
      ctx,
      cloud,
      params: { id },
      body,
      caller,
    } = request;
    const { name, sql, query, satellites, tags, everySeconds, timeoutMs, maxRows, paused, expect } = body;
    if ((sql === undefined) === (query === undefined)) {
      throw new HttpProblem(400, 'invalid-body', 'The request is not valid.', {
        errors: [{ path: '', message: 'Give either sql or query, the id of a saved one.' }],
      });
    }
    const db = schedulesDb(cloud.state);
    if (query !== undefined && one(db, 'SELECT 1 FROM saved_queries WHERE id = ?', query) === undefined) {
      throw notFound(`There is no saved query ${query}.`);
    }
    const before = scheduleById(db, id);
    refuseOthers(caller, `The schedule ${id}`, before?.owner);
    // One whose owner is gone becomes that of who takes it up again.
    const owner = before !== undefined && mayQuery(userByName(db, before.owner)) ? before.owner : caller.user;
    const target = {
      ...(satellites === undefined ? {} : { satellites: [...new Set(satellites)] }),
      ...(tags === undefined ? {} : { tags }),
    };
    const args = {
      id,
      owner,
      name,
      sql: sql ?? null,
      query: query ?? null,
      target,
      limits: { timeoutMs, maxRows },
      intervalMs: everySeconds * 1000,
      paused,
    };
    // Who owned it when this was judged must own it still when it is carried out.
    await change(request, {
      kind: 'schedule.put',
      args,
      on: { resource: `schedule/${id}`, expect: expect ?? before?.version ?? 0 },
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
