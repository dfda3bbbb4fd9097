import { nodeSchema } from '../../api/overview.ts';
import { pageOf } from '../../api/page.ts';
import { listQuery } from '../../api/parameters.ts';
import { API_PATHS } from '../api-paths.ts';
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
