import { expectQuery, userParams } from '../../api/parameters.ts';
import { API_PATHS } from '../api-paths.ts';
import { change } from '../http/change.ts';
import { route as define } from '../http/route.ts';

export const route = define({
  method: 'DELETE',
  path: `${API_PATHS.users}/{name}`,
  summary: 'Deletes a user with its tokens and sessions; saved queries stay. The last administrator cannot be deleted.',
  scope: 'admin',
  params: userParams,
  query: expectQuery,
  audit: ['user.delete'],
  async handle(request) {
    const { params, query } = request;
    await change(request, {
      kind: 'user.delete',
      args: { name: params.name },
      on: { resource: `user/${params.name}`, expect: query.expect },
    });
  },
});
