import { ENROLMENT_PATHS } from '../api-paths.ts';
import { route as define } from '../http/route.ts';
import { manifestReply, manifestSchema } from '../satellites-api.ts';
import { issueToken } from '../satellites-enrolment.ts';
import { satelliteManifest } from '../satellites-manifest.ts';

export const route = define({
  method: 'POST',
  path: ENROLMENT_PATHS.manifests,
  summary:
    'Makes a token, and with it the YAML by which another cluster gets a satellite; the answer is the only place ' +
    'where the token is shown.',
  scope: 'operate',
  body: manifestSchema,
  reply: manifestReply,
  status: 201,
  audit: ['enrolment.create'],
  async handle(request) {
    const { body } = request;
    const token = await issueToken(request, body);
    return { id: body.id, token: token.id, expiresAt: token.expiresAt, manifest: satelliteManifest(body, token) };
  },
});
