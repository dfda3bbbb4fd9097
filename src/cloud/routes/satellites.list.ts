import { satelliteListQuery, satellitePageSchema } from '../../api/satellites.ts';
import { API_PATHS } from '../api-paths.ts';
import { route as define } from '../http/route.ts';

export const route = define({
  method: 'GET',
  path: API_PATHS.satellites,
  summary:
    'The satellites: those that are heard, those that have enrolled and were not yet, and the revoked; by text, ' +
    'state and tags, and in order.',
  scope: 'read',
  query: satelliteListQuery,
  reply: satellitePageSchema,
  handle: ({ cloud, query }) => cloud.satellites.list(query),
});
