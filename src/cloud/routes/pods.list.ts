import { API_PATHS, podSchema, listQuery, pageOf } from '../api.ts';
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
