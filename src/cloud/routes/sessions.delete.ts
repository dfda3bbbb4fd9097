import { z } from 'zod';
import { secretHash } from '../../store/fields.ts';
import { API_PATHS } from '../api-paths.ts';
import { change, isRepetition } from '../http/change.ts';
import { route as define } from '../http/route.ts';
import { ownSession } from '../state/own.ts';
import { sessionById } from '../state/read.ts';

export const route = define({
  method: 'DELETE',
  path: `${API_PATHS.sessions}/{id}`,
  summary: 'Ends a session: an own one; none for a token without the right "admin".',
  scope: 'self',
  params: z.strictObject({ id: secretHash }),
  audit: ['session.delete'],
  async handle(request) {
    const { ctx, cloud, params, caller } = request;
    if (!isRepetition(ctx) || sessionById(cloud.state.replica().db, params.id) !== undefined) {
      ownSession(cloud, caller, params.id);
    }
    await change(request, { kind: 'session.delete', args: { id: params.id } });
  },
});
