import { expectQuery, idParams } from '../../api/parameters.ts';
import type { SavedQueryRow } from '../../store/rows.ts';
import { API_PATHS } from '../api-paths.ts';
import { change, isRepetition } from '../http/change.ts';
import { notFound } from '../http/problem.ts';
import { route as define } from '../http/route.ts';
import { refuseOthers } from '../state/own.ts';
import { one } from '../state/read.ts';

export const route = define({
  method: 'DELETE',
  path: `${API_PATHS.savedQueries}/{id}`,
  summary: "Deletes a saved query; one of somebody else's for administrators only.",
  scope: 'query',
  params: idParams,
  query: expectQuery,
  audit: ['query.delete'],
  async handle(request) {
    const { ctx, cloud, params, query, caller } = request;
    const before = one<SavedQueryRow>(cloud.state.replica().db, 'SELECT * FROM saved_queries WHERE id = ?', params.id);
    if (before === undefined && !isRepetition(ctx)) {
      throw notFound(`There is no saved query ${params.id}.`);
    }
    refuseOthers(caller, `The query ${params.id}`, before?.owner);
    await change(request, {
      kind: 'query.delete',
      args: { id: params.id },
      on: { resource: `query/${params.id}`, expect: query.expect ?? before?.version },
    });
  },
});
