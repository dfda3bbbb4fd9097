import { idParams } from '../../api/parameters.ts';
import { savedQuerySchema } from '../../api/saved-queries.ts';
import type { SavedQueryRow } from '../../store/rows.ts';
import { API_PATHS } from '../api-paths.ts';
import { setVersion } from '../http/change.ts';
import { notFound } from '../http/problem.ts';
import { route as define } from '../http/route.ts';
import { one } from '../state/read.ts';
import { showQuery } from '../state/views.ts';

export const route = define({
  method: 'GET',
  path: `${API_PATHS.savedQueries}/{id}`,
  summary: 'One saved query.',
  scope: 'read',
  params: idParams,
  reply: savedQuerySchema,
  handle({ ctx, cloud, params }) {
    const row = one<SavedQueryRow>(cloud.state.replica().db, 'SELECT * FROM saved_queries WHERE id = ?', params.id);
    if (row === undefined) {
      throw notFound(`There is no saved query ${params.id}.`);
    }
    setVersion(ctx, row);
    return showQuery(row);
  },
});
