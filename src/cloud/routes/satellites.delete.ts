import { z } from 'zod';
import { expectQuery } from '../../api/parameters.ts';
import { satelliteId } from '../../store/fields.ts';
import { API_PATHS } from '../api-paths.ts';
import { change } from '../http/change.ts';
import { route as define } from '../http/route.ts';

export const route = define({
  method: 'DELETE',
  path: `${API_PATHS.satellites}/{id}`,
  summary:
    'Forgets a satellite: one that has enrolled has to enrol again, one of a node that was revoked may connect again.',
  scope: 'operate',
  params: z.strictObject({ id: satelliteId }),
  query: expectQuery,
  audit: ['satellite.delete'],
  async handle(request) {
    const { params, query } = request;
    await change(request, {
      kind: 'satellite.delete',
      args: { id: params.id },
      on: { resource: `satellite/${params.id}`, expect: query.expect },
    });
  },
});
