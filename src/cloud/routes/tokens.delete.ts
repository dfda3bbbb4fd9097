import { expectQuery, idParams } from '../../api/parameters.ts';
import { API_PATHS } from '../api-paths.ts';
import { change, isRepetition } from '../http/change.ts';
import { route as define } from '../http/route.ts';
import { ownToken } from '../state/own.ts';
import { tokenById } from '../state/read.ts';

export const route = define({
  method: 'DELETE',
  path: `${API_PATHS.tokens}/{id}`,
  summary: 'Ends an API token: an own one; for a token without the right "admin" only itself.',
  scope: 'self',
  params: idParams,
  query: expectQuery,
  audit: ['token.delete'],
  async handle(request) {
    const { ctx, cloud, params, query, caller } = request;
    // A repetition finds it deleted already: its id tells the first result.
    if (!isRepetition(ctx) || tokenById(cloud.state.replica().db, params.id) !== undefined) {
      ownToken(cloud, caller, params.id);
    }
    await change(request, {
      kind: 'token.delete',
      args: { id: params.id },
      on: { resource: `token/${params.id}`, expect: query.expect },
    });
  },
});
