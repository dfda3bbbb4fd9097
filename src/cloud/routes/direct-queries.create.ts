import { sqlHash } from '../../bus/direct-token.ts';
import { TOKEN_MS } from '../../bus/direct.ts';
import { API_PATHS } from '../api-paths.ts';
import { directQueryReply, directQuerySchema } from '../direct-api.ts';
import { change } from '../http/change.ts';
import { route as define } from '../http/route.ts';

/** How much of a statement the audit log keeps; its hash tells the rest. */
const AUDITED_SQL = 2000;

export const route = define({
  method: 'POST',
  path: API_PATHS.directQueries,
  summary: 'Makes tokens by which satellites answer a query themselves, each once and within a minute.',
  scope: 'query',
  body: directQuerySchema,
  reply: directQueryReply,
  audit: ['audit.note'],
  unrepeatable: true,
  async handle(request) {
    const { cloud, caller, body } = request;
    const satellites = [...new Set(body.satellites)];
    const { q, grants } = cloud.direct.grants({ ...body, satellites, user: caller.user });
    const granted = grants.flatMap((g) => ('token' in g ? [g.sat] : []));
    // Before a token is given away it is on record who got it: each time, or a repetition would get further ones
    // without.
    if (granted.length > 0) {
      await change(request, {
        always: true,
        kind: 'audit.note',
        args: {
          resource: `direct-query/${q}`,
          before: null,
          after: { satellites: granted, sql: body.sql.slice(0, AUDITED_SQL), sha256: sqlHash(body.sql) },
        },
      });
    }
    return { q, expiresAt: new Date(Date.now() + TOKEN_MS).toISOString(), satellites: grants };
  },
});
