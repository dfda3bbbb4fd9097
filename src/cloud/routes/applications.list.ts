import { applicationSchema } from '../../api/overview.ts';
import { pageOf } from '../../api/page.ts';
import { listQuery } from '../../api/parameters.ts';
import { API_PATHS } from '../api-paths.ts';
import { pageOfList } from '../http/pages.ts';
import { route as define } from '../http/route.ts';

export const route = define({
  method: 'GET',
  path: API_PATHS.applications,
  summary: 'Applications of a vendor and their addresses.',
  scope: 'read',
  query: listQuery,
  reply: pageOf(applicationSchema),
  handle: ({ cloud, query }) => pageOfList(cloud.overview().applications, query, (a) => a.name),
});
