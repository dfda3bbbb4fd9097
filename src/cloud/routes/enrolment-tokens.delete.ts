import { expectQuery, idParams } from '../../api/parameters.ts';
import { ENROLMENT_PATHS } from '../api-paths.ts';
import { change } from '../http/change.ts';
import { route as define } from '../http/route.ts';

export const route = define({
  method: 'DELETE',
  path: `${ENROLMENT_PATHS.tokens}/{id}`,
  summary: 'Ends an enrolment token. Who has enrolled by it stays.',
  scope: 'operate',
  params: idParams,
  query: expectQuery,
  audit: ['enrolment.delete'],
  async handle(request) {
    const { params, query } = request;
    await change(request, {
      kind: 'enrolment.delete',
      args: { id: params.id },
      on: { resource: `enrolment/${params.id}`, expect: query.expect },
    });
  },
});
