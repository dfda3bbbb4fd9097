import { ENROLMENT_PATHS } from '../api-paths.ts';
import { route as define } from '../http/route.ts';
import { enrolmentTokenCreateSchema, enrolmentTokenReply } from '../satellites-api.ts';
import { issueToken } from '../satellites-enrolment.ts';

export const route = define({
  method: 'POST',
  path: ENROLMENT_PATHS.tokens,
  summary: 'Makes a token by which one satellite can enrol; the answer is the only place where it is shown.',
  scope: 'operate',
  body: enrolmentTokenCreateSchema,
  reply: enrolmentTokenReply,
  status: 201,
  audit: ['enrolment.create'],
  handle: (request) => issueToken(request, request.body),
});
