import { queryLineSchema } from '../../api/queries.ts';
import { runParams } from '../../api/schedules.ts';
import { API_PATHS } from '../api-paths.ts';
import { route as define } from '../http/route.ts';
import { keptLines } from '../schedule-rows.ts';
import { knownRun, schedulesDb } from '../state/schedules.ts';

export const route = define({
  method: 'GET',
  path: `${API_PATHS.schedules}/{id}/runs/{number}/lines`,
  summary: "What is kept of a run's answers, as the query gave them: rows, and of each satellite its end or its error.",
  scope: 'query',
  params: runParams,
  reply: { type: 'application/x-ndjson', description: 'One JSON object a line.', item: queryLineSchema },
  async handle({ ctx, cloud, params: { id, number } }) {
    const db = schedulesDb(cloud.state);
    knownRun(db, id, number);
    ctx.body = await keptLines(db, id, number);
    ctx.type = 'application/x-ndjson';
  },
});
