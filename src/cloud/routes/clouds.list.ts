import { API_PATHS, cloudSchema, listQuery, pageOf } from '../api.ts';
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
