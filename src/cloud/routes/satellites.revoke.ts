import { z } from 'zod';
import { satelliteId } from '../../store/fields.ts';
import { API_PATHS } from '../api.ts';
import { change } from '../http/change.ts';
import { route as define } from '../http/route.ts';
import { one } from '../state/read.ts';

export const route = define({
  method: 'POST',
  path: `${API_PATHS.satellites}/{id}/revoke`,
  summary: "Cuts a satellite off for good: its key is void. One of the cluster's nodes comes back when it is deleted here.",
  scope: 'operate',
  params: z.strictObject({ id: satelliteId }),
  audit: ['satellite.enrol', 'satellite.revoke'],
  async handle(request) {
    const { cloud, params: { id } } = request;
    const { db } = cloud.state.replica();
    if (cloud.enrolment.nodes().includes(id) && one(db, 'SELECT 1 FROM satellites WHERE id = ?', id) === undefined) {
      // A node's satellite has its certificate from the install and is not in the state until something has to be said of it.
      await cloud.state.replica().propose({ kind: 'satellite.enrol', actor: request.caller.actor, args: { id, name: id, tags: {}, access: 'both', busKey: 'node', httpsKey: '', details: {} } });
    }
    await change(request, { kind: 'satellite.revoke', args: { id } });
  },
});
