import { cloudSchema } from '../../api/overview.ts';
import { pageOf } from '../../api/page.ts';
import { listQuery } from '../../api/parameters.ts';
import { API_PATHS } from '../api-paths.ts';
import { pageOfList } from '../http/pages.ts';
import { route as define } from '../http/route.ts';

export const route = define({
  method: 'GET',
  path: API_PATHS.clouds,
  summary: 'The instances of the cloud.',
  scope: 'read',
  query: listQuery,
  reply: pageOf(cloudSchema),
  handle: ({ cloud, query }) => pageOfList(cloud.overview().clouds, query, (c) => c.name),
});
