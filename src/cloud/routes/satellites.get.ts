import { API_PATHS, satelliteSchema } from '../api.ts';
import { z } from 'zod';
import { satelliteId } from '../../store/fields.ts';
import { notFound } from '../http/problem.ts';
import { route as define } from '../http/route.ts';

export const route = define({
  method: 'GET',
  path: `${API_PATHS.satellites}/{id}`,
  summary: 'One satellite.',
  scope: 'read',
  params: z.strictObject({ id: satelliteId }),
  reply: satelliteSchema,
  handle({ cloud, params }) {
    const found = cloud.registry.get(params.id);
    if (found === undefined) throw notFound(`There is no satellite ${params.id}.`);
    return found;
  },
});
