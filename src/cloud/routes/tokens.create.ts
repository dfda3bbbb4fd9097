import { tokenCreateSchema, tokenReply } from '../../api/users.ts';
import type { TokenRow } from '../../store/rows.ts';
import { API_PATHS } from '../api-paths.ts';
import { createToken, hashSecret } from '../auth/tokens.ts';
import { change, setVersion } from '../http/change.ts';
import { HttpProblem, forbidden } from '../http/problem.ts';
import { route as define } from '../http/route.ts';
import { one, tokenById } from '../state/read.ts';
import { showToken } from '../state/views.ts';

const DAY_MS = 24 * 3_600_000;
/** Of one owner. */
const MOST = 100;

export const route = define({
  method: 'POST',
  path: API_PATHS.tokens,
  summary: "Makes an API token of the caller's; the answer is the only place where it is shown.",
  scope: 'self',
  body: tokenCreateSchema,
  reply: tokenReply,
  status: 201,
  audit: ['token.create'],
  async handle(request) {
    const { ctx, cloud, body, caller } = request;
    // Else a token could outlive its own end.
    if (caller.session === undefined && !caller.scopes.has('admin')) {
      throw forbidden('A token is made in a session, or by a token of an administrator.');
    }
    const beyond = body.scopes.find((s) => !caller.scopes.has(s));
    if (beyond !== undefined) {
      throw forbidden(`${caller.actor} does not have the right "${beyond}" and cannot give it away.`);
    }
    const { db } = cloud.state.replica();
    if ((one<{ n: number }>(db, 'SELECT count(*) AS n FROM tokens WHERE owner = ?', caller.user)?.n ?? 0) >= MOST) {
      throw new HttpProblem(409, 'too-many-tokens', `${caller.user} has ${MOST} tokens; delete one first.`);
    }
    const { id, token } = createToken();
    const hash = hashSecret(token);
    await change(request, {
      kind: 'token.create',
      args: {
        id,
        owner: caller.user,
        name: body.name,
        hash,
        scope: [...new Set(body.scopes)],
        expiresAt: Date.now() + body.days * DAY_MS,
      },
    });
    const row: TokenRow | undefined = tokenById(cloud.state.replica().db, id);
    // A repetition by its id has the first try's result, but not its secret.
    if (row?.hash !== hash) {
      throw new HttpProblem(
        409,
        'already-done',
        'This token was made by an earlier try, whose answer is lost. Delete it and make another one.',
      );
    }
    setVersion(ctx, row);
    return { ...showToken(row), token };
  },
});
