import { pageOf } from '../../api/page.ts';
import { listQuery } from '../../api/parameters.ts';
import { userSchema } from '../../api/users.ts';
import type { UserRow } from '../../store/rows.ts';
import { API_PATHS } from '../api-paths.ts';
import { decodeCursor, page } from '../http/pages.ts';
import { route as define } from '../http/route.ts';
import { many } from '../state/read.ts';
import { showUser } from '../state/views.ts';

export const route = define({
  method: 'GET',
  path: API_PATHS.users,
  summary: 'The users, by name.',
  scope: 'admin',
  query: listQuery,
  reply: pageOf(userSchema),
  handle({ cloud, query }) {
    const rows = many<UserRow>(
      cloud.state.replica().db,
      'SELECT * FROM users WHERE name > ? ORDER BY name LIMIT ?',
      decodeCursor(query.cursor) ?? '',
      query.limit + 1,
    );
    return page(rows, query.limit, (r) => r.name, showUser);
  },
});
