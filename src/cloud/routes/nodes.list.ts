import { API_PATHS, nodeSchema, listQuery, pageOf } from '../api.ts';
import { pageOfList } from '../http/pages.ts';
import { route as define } from '../http/route.ts';

export const route = define({
  method: 'GET',
  path: API_PATHS.nodes,
  summary: 'The machines of the cluster, as Kubernetes knows them.',
  scope: 'read',
  query: listQuery,
  reply: pageOf(nodeSchema),
  handle: ({ cloud, query }) => pageOfList(cloud.overview().nodes, query, (n) => n.name),
});
