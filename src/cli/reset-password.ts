import { randomBytes } from 'node:crypto';
import { hashPassword } from '../cloud/auth/password.ts';
import { Failure } from '../errors.ts';
import { KubeError, type KubeClient } from '../kube/client.ts';

const SECRET = '/api/v1/namespaces/terrarium-system/secrets/credentials';

/**
 * Gives the console's admin a new random password and ends all sessions; API tokens stay valid. Every cloud takes it by itself.
 * @throws Failure `reset-failed`: nothing was changed
 */
export async function resetPassword(client: KubeClient): Promise<string> {
  const password = randomBytes(12).toString('base64url');
  const encode = (text: string): string => Buffer.from(text).toString('base64');
  const data = {
    adminPasswordHash: encode(await hashPassword(password)),
    // Another key ends every session that the old password opened.
    sessionKey: encode(randomBytes(32).toString('base64')),
  };
  try {
    await client.request(SECRET, { method: 'PATCH', body: { data }, contentType: 'application/merge-patch+json' });
    return password;
  } catch (error) {
    if (!(error instanceof KubeError)) throw error;
    throw new Failure('reset-failed', `The password was not changed: ${error.message}.`, { remedy: 'Look at `terrarium status`; when an API server answers, run the command again.', cause: error });
  }
}
