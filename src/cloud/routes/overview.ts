import { API_PATHS } from '../api.ts';
import { route as define } from '../http/route.ts';

export const route = define({
  method: 'GET',
  path: API_PATHS.overview,
  handle({ ctx, cloud }) {
    ctx.body = cloud.overview();
  },
});
