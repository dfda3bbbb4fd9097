import { z } from 'zod';
import { satelliteId } from '../../store/fields.ts';
import { API_PATHS } from '../api.ts';
import { accessReply, accessSchema } from '../direct-api.ts';
import { change } from '../http/change.ts';
import { route as define } from '../http/route.ts';
import { one } from '../state/read.ts';

export const route = define({
  method: 'PUT',
  path: `${API_PATHS.satellites}/{id}/access`,
  summary: 'Chooses how a satellite is asked: `cloud` (through the cloud only), `direct` (by browsers only), or `both`.',
  scope: 'operate',
  params: z.strictObject({ id: satelliteId }),
  body: accessSchema,
  reply: accessReply,
  audit: ['satellite.enrol', 'satellite.update'],
  async handle(request) {
    const { cloud, params: { id }, body } = request;
    const { db } = cloud.state.replica();
    if (cloud.enrolment.nodes().includes(id) && one(db, 'SELECT 1 FROM satellites WHERE id = ?', id) === undefined) {
      // A node's satellite is not in the state until something has to be said of it.
      await cloud.state.replica().propose({ kind: 'satellite.enrol', actor: request.caller.actor, args: { id, name: id, tags: {}, access: 'both', busKey: 'node', httpsKey: '', details: {} } });
    }
    await change(request, { kind: 'satellite.update', args: { id, access: body.access }, on: { resource: `satellite/${id}`, expect: body.expect } });
    return { access: body.access };
  },
});
