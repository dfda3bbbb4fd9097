import { API_PATHS, satelliteSchema, listQuery, pageOf } from '../api.ts';
import { pageOfList } from '../http/pages.ts';
import { route as define } from '../http/route.ts';

export const route = define({
  method: 'GET',
  path: API_PATHS.satellites,
  summary: 'The satellites: those that are heard, those that have enrolled and were not yet, and the revoked.',
  scope: 'read',
  query: listQuery,
  reply: pageOf(satelliteSchema),
  handle: ({ cloud, query }) => pageOfList(cloud.satellites.all(), query, (s) => s.id),
});
