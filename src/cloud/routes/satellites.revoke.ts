import { z } from 'zod';
import { satelliteRevokeQuery } from '../../api/satellites.ts';
import { satelliteId } from '../../store/fields.ts';
import { API_PATHS } from '../api-paths.ts';
import { change } from '../http/change.ts';
import { route as define } from '../http/route.ts';
import { registerNode } from '../satellites-register.ts';

export const route = define({
  method: 'POST',
  path: `${API_PATHS.satellites}/{id}/revoke`,
  summary:
    "Cuts a satellite off for good: its key is void. One of the cluster's nodes comes back when it is deleted here.",
  scope: 'operate',
  params: z.strictObject({ id: satelliteId }),
  query: satelliteRevokeQuery,
  audit: ['satellite.enrol', 'satellite.revoke'],
  async handle(request) {
    const {
      cloud,
      params: { id },
      query,
      caller,
    } = request;
    await registerNode(cloud, id, caller.actor);
    await change(request, { kind: 'satellite.revoke', args: { id, ...query } });
  },
});
