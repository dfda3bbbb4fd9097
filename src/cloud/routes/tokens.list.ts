import { z } from 'zod';
import { pageOf } from '../../api/page.ts';
import { pageQuery } from '../../api/parameters.ts';
import { tokenSchema } from '../../api/users.ts';
import type { TokenRow } from '../../store/rows.ts';
import { API_PATHS } from '../api-paths.ts';
import { decodeCursor, page } from '../http/pages.ts';
import { route as define } from '../http/route.ts';
import { ownOf } from '../state/own.ts';
import { many } from '../state/read.ts';
import { showToken } from '../state/views.ts';

export const route = define({
  method: 'GET',
  path: API_PATHS.tokens,
  summary:
    "API tokens without their secrets: the own ones; for administrators all, or one owner's; for a token without " +
    'the right "admin" only itself.',
  scope: 'self',
  query: z.strictObject({ ...pageQuery, owner: z.string().min(1).max(64).optional() }),
  reply: pageOf(tokenSchema),
  handle({ cloud, query, caller }) {
    const own = ownOf(caller);
    const wanted = own.of === 'all' ? query.owner : undefined;
    const owner = own.of === 'user' ? own.user : (wanted ?? null);
    const only = own.of === 'token' ? own.token : null;
    const rows = many<TokenRow>(
      cloud.state.replica().db,
      'SELECT * FROM tokens WHERE id > ? AND (? IS NULL OR owner = ?) AND (? IS NULL OR id = ?) ORDER BY id LIMIT ?',
      decodeCursor(query.cursor) ?? '',
      owner,
      owner,
      only,
      only,
      query.limit + 1,
    );
    return page(rows, query.limit, (r) => r.id, showToken);
  },
});
