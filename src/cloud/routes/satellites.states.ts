import { z } from 'zod';
import { pageOf } from '../../api/page.ts';
import { listQuery } from '../../api/parameters.ts';
import { satelliteHistorySchema } from '../../api/satellites.ts';
import { satelliteId } from '../../store/fields.ts';
import { API_PATHS } from '../api-paths.ts';
import { decodeCursor, page } from '../http/pages.ts';
import { badCursor, notFound } from '../http/problem.ts';
import { route as define } from '../http/route.ts';

export const route = define({
  method: 'GET',
  path: `${API_PATHS.satellites}/{id}/states`,
  summary: "The last 50 changes of a satellite's state, the newest first: when, by whom, and why.",
  scope: 'read',
  params: z.strictObject({ id: satelliteId }),
  query: listQuery,
  reply: pageOf(satelliteHistorySchema),
  handle({ cloud, params, query }) {
    if (cloud.satellites.get(params.id) === undefined) {
      throw notFound(`There is no satellite ${params.id}.`);
    }
    const cursor = decodeCursor(query.cursor);
    if (cursor !== undefined && !/^\d{1,15}$/.test(cursor)) {
      throw badCursor();
    }
    const before = cursor === undefined ? Number.POSITIVE_INFINITY : Number(cursor);
    return page(
      cloud.satellites
        .history(params.id)
        .filter((c) => c.seq < before)
        .slice(0, query.limit + 1),
      query.limit,
      (c) => c.seq,
      (c) => c,
    );
  },
});
