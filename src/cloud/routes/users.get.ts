import { userParams } from '../../api/parameters.ts';
import { userSchema } from '../../api/users.ts';
import { API_PATHS } from '../api-paths.ts';
import { setVersion } from '../http/change.ts';
import { notFound } from '../http/problem.ts';
import { route as define } from '../http/route.ts';
import { userByName } from '../state/read.ts';
import { showUser } from '../state/views.ts';

export const route = define({
  method: 'GET',
  path: `${API_PATHS.users}/{name}`,
  summary: 'One user.',
  scope: 'admin',
  params: userParams,
  reply: userSchema,
  handle({ ctx, cloud, params }) {
    const user = userByName(cloud.state.replica().db, params.name);
    if (user === undefined) {
      throw notFound(`There is no user ${params.name}.`);
    }
    setVersion(ctx, user);
    return showUser(user);
  },
});
