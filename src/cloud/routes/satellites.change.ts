import { z } from 'zod';
import { satelliteChangeBody, satelliteSchema } from '../../api/satellites.ts';
import { satelliteId } from '../../store/fields.ts';
import { API_PATHS } from '../api-paths.ts';
import { change, setVersion } from '../http/change.ts';
import { HttpProblem, notFound } from '../http/problem.ts';
import { route as define } from '../http/route.ts';
import { registerNode } from '../satellites-register.ts';

export const route = define({
  method: 'PATCH',
  path: `${API_PATHS.satellites}/{id}`,
  summary:
    'Renames a satellite, gives it other tags in the place of those that it has, or chooses how it is asked; its ' +
    'id stays.',
  scope: 'operate',
  params: z.strictObject({ id: satelliteId }),
  body: satelliteChangeBody,
  reply: satelliteSchema,
  audit: ['satellite.enrol', 'satellite.update'],
  async handle(request) {
    const {
      ctx,
      cloud,
      params: { id },
      body: { name, tags, access, expect },
      caller,
    } = request;
    if (name === undefined && tags === undefined && access === undefined) {
      throw new HttpProblem(400, 'invalid-body', 'The request is not valid.', {
        errors: [{ path: '', message: 'Give a name, tags, or access.' }],
      });
    }
    await registerNode(cloud, id, caller.actor);
    await change(request, {
      kind: 'satellite.update',
      args: {
        id,
        ...(name === undefined ? {} : { name }),
        ...(tags === undefined ? {} : { tags }),
        ...(access === undefined ? {} : { access }),
      },
      on: { resource: `satellite/${id}`, expect },
    });
    const found = cloud.satellites.get(id);
    if (found === undefined) {
      throw notFound(`The satellite ${id} has been deleted meanwhile.`);
    }
    setVersion(ctx, { version: found.revision });
    return found;
  },
});
