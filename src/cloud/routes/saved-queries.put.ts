import { idParams } from '../../api/parameters.ts';
import { savedQueryBody, savedQuerySchema } from '../../api/saved-queries.ts';
import type { SavedQueryRow } from '../../store/rows.ts';
import { API_PATHS } from '../api-paths.ts';
import { change, setVersion } from '../http/change.ts';
import { notFound } from '../http/problem.ts';
import { route as define } from '../http/route.ts';
import { refuseOthers } from '../state/own.ts';
import { one } from '../state/read.ts';
import { showQuery } from '../state/views.ts';

const SELECT = 'SELECT * FROM saved_queries WHERE id = ?';

export const route = define({
  method: 'PUT',
  path: `${API_PATHS.savedQueries}/{id}`,
  summary:
    "Saves a query under an id of the client's choice; one of somebody else's is replaced by administrators only.",
  scope: 'query',
  params: idParams,
  body: savedQueryBody,
  reply: savedQuerySchema,
  audit: ['query.put'],
  async handle(request) {
    const { ctx, cloud, params, body, caller } = request;
    const { name, sql, details, expect } = body;
    const before = one<SavedQueryRow>(cloud.state.replica().db, SELECT, params.id);
    refuseOthers(caller, `The query ${params.id}`, before?.owner);
    // Who owned it when this was judged must own it still when it is carried out.
    const version = expect ?? before?.version ?? 0;
    await change(request, {
      kind: 'query.put',
      args: { id: params.id, owner: before?.owner ?? caller.user, name, sql, details },
      on: { resource: `query/${params.id}`, expect: version },
    });
    const row = one<SavedQueryRow>(cloud.state.replica().db, SELECT, params.id);
    if (row === undefined) {
      throw notFound(`The query ${params.id} has been deleted meanwhile.`);
    }
    setVersion(ctx, row);
    return showQuery(row);
  },
});
