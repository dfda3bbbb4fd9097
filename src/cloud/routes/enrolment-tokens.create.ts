import type { EnrolmentTokenRow } from '../../store/rows.ts';
import { fingerprint } from '../../pki/authority.ts';
import { hashSecret } from '../auth/tokens.ts';
import { change, setVersion } from '../http/change.ts';
import { HttpProblem } from '../http/problem.ts';
import { route as define } from '../http/route.ts';
import { ENROLMENT_PATHS, enrolmentTokenCreateSchema, enrolmentTokenReply } from '../satellites-api.ts';
import { createEnrolmentToken, showEnrolmentToken } from '../satellites-enrolment.ts';
import { one } from '../state/read.ts';

export const route = define({
  method: 'POST',
  path: ENROLMENT_PATHS.tokens,
  summary: 'Makes a token by which one satellite can enrol; the answer is the only place where it is shown.',
  scope: 'operate',
  body: enrolmentTokenCreateSchema,
  reply: enrolmentTokenReply,
  status: 201,
  audit: ['enrolment.create'],
  async handle(request) {
    const { ctx, cloud, body } = request;
    const { id, token } = createEnrolmentToken();
    const hash = hashSecret(token);
    await change(request, { kind: 'enrolment.create', args: { id, hash, tags: body.tags, uses: 1, expiresAt: Date.now() + body.minutes * 60_000 } });
    const row = one<EnrolmentTokenRow>(cloud.state.replica().db, 'SELECT * FROM enrolment_tokens WHERE id = ?', id);
    // A repetition by its id has the first try's result, but not its secret.
    if (row?.hash !== hash) throw new HttpProblem(409, 'already-done', 'This token was made by an earlier try, whose answer is lost. Make another one.');
    setVersion(ctx, row);
    return { ...showEnrolmentToken(row), token, caHash: fingerprint(cloud.enrolment.ca()), addresses: cloud.enrolment.consoles() };
  },
});
