import { idParams } from '../../api/parameters.ts';
import { tokenSchema } from '../../api/users.ts';
import { API_PATHS } from '../api-paths.ts';
import { setVersion } from '../http/change.ts';
import { route as define } from '../http/route.ts';
import { ownToken } from '../state/own.ts';
import { showToken } from '../state/views.ts';

export const route = define({
  method: 'GET',
  path: `${API_PATHS.tokens}/{id}`,
  summary: 'One API token, without its secret.',
  scope: 'self',
  params: idParams,
  reply: tokenSchema,
  handle({ ctx, cloud, params, caller }) {
    const token = ownToken(cloud, caller, params.id);
    setVersion(ctx, token);
    return showToken(token);
  },
});
