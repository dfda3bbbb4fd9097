import { z } from 'zod';
import { userParams } from '../../api/parameters.ts';
import { API_PATHS } from '../api-paths.ts';
import { change } from '../http/change.ts';
import { notFound } from '../http/problem.ts';
import { route as define } from '../http/route.ts';
import { userByName } from '../state/read.ts';

export const route = define({
  method: 'DELETE',
  path: `${API_PATHS.users}/{name}/sessions`,
  summary: "Ends all of a user's sessions.",
  scope: 'admin',
  params: userParams,
  reply: z.object({ ended: z.int() }),
  audit: ['session.delete'],
  async handle(request) {
    const { cloud, params } = request;
    if (userByName(cloud.state.replica().db, params.name) === undefined) {
      throw notFound(`There is no user ${params.name}.`);
    }
    return { ended: Number(await change(request, { kind: 'session.delete', args: { user: params.name } })) };
  },
});
