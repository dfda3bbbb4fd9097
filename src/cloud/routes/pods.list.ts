import { podSchema } from '../../api/overview.ts';
import { pageOf } from '../../api/page.ts';
import { listQuery } from '../../api/parameters.ts';
import { API_PATHS } from '../api-paths.ts';
import { pageOfList } from '../http/pages.ts';
import { route as define } from '../http/route.ts';

export const route = define({
  method: 'GET',
  path: API_PATHS.pods,
  summary: 'The pods of the cluster.',
  scope: 'read',
  query: listQuery,
  reply: pageOf(podSchema),
  handle: ({ cloud, query }) => pageOfList(cloud.overview().pods, query, (p) => `${p.namespace}/${p.name}`),
});
