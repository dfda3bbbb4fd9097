import { ENROLMENT_PATHS } from '../api-paths.ts';
import { route as define } from '../http/route.ts';
import { enrolReply, enrolSchema } from '../satellites-api.ts';
import { enrol } from '../satellites-enrolment.ts';

export const route = define({
  method: 'POST',
  path: ENROLMENT_PATHS.enrol,
  summary:
    'Enrols a satellite by its token: a certificate for the key that it made. The same request again gets the same ' +
    'answer.',
  scope: 'open',
  body: enrolSchema,
  reply: enrolReply,
  audit: ['satellite.enrol'],
  handle: ({ ctx, cloud, body }) => enrol(ctx, cloud, body),
});
