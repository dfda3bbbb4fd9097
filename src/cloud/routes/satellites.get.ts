import { z } from 'zod';
import { satelliteSchema } from '../../api/satellites.ts';
import { satelliteId } from '../../store/fields.ts';
import { API_PATHS } from '../api-paths.ts';
import { setVersion } from '../http/change.ts';
import { notFound } from '../http/problem.ts';
import { route as define } from '../http/route.ts';

export const route = define({
  method: 'GET',
  path: `${API_PATHS.satellites}/{id}`,
  summary: 'One satellite.',
  scope: 'read',
  params: z.strictObject({ id: satelliteId }),
  reply: satelliteSchema,
  handle({ ctx, cloud, params }) {
    const found = cloud.satellites.get(params.id);
    if (found === undefined) {
      throw notFound(`There is no satellite ${params.id}.`);
    }
    setVersion(ctx, { version: found.revision });
    return found;
  },
});
