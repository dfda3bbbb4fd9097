import { pageOf } from '../../api/page.ts';
import { listQuery } from '../../api/parameters.ts';
import type { EnrolmentTokenRow } from '../../store/rows.ts';
import { ENROLMENT_PATHS } from '../api-paths.ts';
import { decodeCursor, page } from '../http/pages.ts';
import { route as define } from '../http/route.ts';
import { enrolmentTokenSchema } from '../satellites-api.ts';
import { many } from '../state/read.ts';
import { showEnrolmentToken } from '../state/views.ts';

export const route = define({
  method: 'GET',
  path: ENROLMENT_PATHS.tokens,
  summary: 'Tokens by which satellites can enrol, without their secrets.',
  scope: 'operate',
  query: listQuery,
  reply: pageOf(enrolmentTokenSchema),
  handle({ cloud, query }) {
    const rows = many<EnrolmentTokenRow>(
      cloud.state.replica().db,
      'SELECT * FROM enrolment_tokens WHERE id > ? ORDER BY id LIMIT ?',
      decodeCursor(query.cursor) ?? '',
      query.limit + 1,
    );
    return page(rows, query.limit, (r) => r.id, showEnrolmentToken);
  },
});
