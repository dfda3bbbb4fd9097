import { pageOf } from '../../api/page.ts';
import { listQuery } from '../../api/parameters.ts';
import { savedQuerySchema } from '../../api/saved-queries.ts';
import type { SavedQueryRow } from '../../store/rows.ts';
import { API_PATHS } from '../api-paths.ts';
import { decodeCursor, page } from '../http/pages.ts';
import { route as define } from '../http/route.ts';
import { many } from '../state/read.ts';
import { showQuery } from '../state/views.ts';

export const route = define({
  method: 'GET',
  path: API_PATHS.savedQueries,
  summary: 'Saved queries of all users.',
  scope: 'read',
  query: listQuery,
  reply: pageOf(savedQuerySchema),
  handle({ cloud, query }) {
    const rows = many<SavedQueryRow>(
      cloud.state.replica().db,
      'SELECT * FROM saved_queries WHERE id > ? ORDER BY id LIMIT ?',
      decodeCursor(query.cursor) ?? '',
      query.limit + 1,
    );
    return page(rows, query.limit, (r) => r.id, showQuery);
  },
});
