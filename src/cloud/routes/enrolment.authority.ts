import { ENROLMENT_PATHS } from '../api-paths.ts';
import { route as define } from '../http/route.ts';
import { authorityReply } from '../satellites-api.ts';

export const route = define({
  method: 'GET',
  path: ENROLMENT_PATHS.authority,
  summary: "The cluster's CA, for a satellite that knows its fingerprint and nothing else of the cluster.",
  scope: 'open',
  reply: authorityReply,
  handle: ({ cloud }) => ({ ca: cloud.enrolment.ca() }),
});
