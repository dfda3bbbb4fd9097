import { overviewSchema } from '../../api/overview.ts';
import { API_PATHS } from '../api-paths.ts';
import { route as define } from '../http/route.ts';

export const route = define({
  method: 'GET',
  path: API_PATHS.overview,
  summary: 'Health of machines, Kubernetes, cloud and satellites.',
  scope: 'read',
  reply: overviewSchema,
  handle: ({ cloud }) => cloud.overview(),
});
