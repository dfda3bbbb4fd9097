import { z } from 'zod';
import { satelliteId } from '../../store/fields.ts';
import { API_PATHS } from '../api.ts';
import { accessReply } from '../direct-api.ts';
import { notFound } from '../http/problem.ts';
import { route as define } from '../http/route.ts';

export const route = define({
  method: 'GET',
  path: `${API_PATHS.satellites}/{id}/access`,
  summary: 'How a satellite is asked: through the cloud, directly, or both.',
  scope: 'read',
  params: z.strictObject({ id: satelliteId }),
  reply: accessReply,
  handle({ cloud, params: { id } }) {
    if (cloud.registry.get(id) === undefined) throw notFound(`There is no satellite ${id}.`);
    return { access: cloud.direct.access(id) };
  },
});
