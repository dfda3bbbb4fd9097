import { randomBytes } from 'node:crypto';
import { hashPassword } from '../cloud/auth/password.ts';
import { Failure } from '../errors.ts';
import { KubeError, type KubeClient } from '../kube/client.ts';
import type { SecretObject } from '../kube/types.ts';

const SECRET = '/api/v1/namespaces/terrarium-system/secrets/credentials';

/**
 * Gives the console's admin a new random password, by the Secret: whichever cloud reads it brings it into the state,
 * which ends the user's sessions;
 * API tokens stay valid. A user that was disabled or deleted is an administrator again. The time decides whether it is
 * newer than what the state has.
 * @throws Failure `reset-failed`: nothing was changed
 */
export async function resetPassword(client: KubeClient, now: () => number = Date.now): Promise<string> {
  const password = randomBytes(12).toString('base64url');
  const encode = (text: string): string => Buffer.from(text).toString('base64');
  const adminPasswordHash = encode(await hashPassword(password));
  try {
    const before = Number(
      Buffer.from((await client.get<SecretObject>(SECRET)).data?.['passwordAt'] ?? '', 'base64').toString('utf8'),
    );
    // Never older than the one before, whatever this machine's clock says.
    const passwordAt = Math.max(now(), (Number.isSafeInteger(before) ? before : 0) + 1);
    // Clouds of the release before sign sessions by this key: another one ends those too.
    const sessionKey = encode(randomBytes(32).toString('base64'));
    const data = { adminPasswordHash, passwordAt: encode(String(passwordAt)), sessionKey };
    await client.request(SECRET, { method: 'PATCH', body: { data }, contentType: 'application/merge-patch+json' });
    return password;
  } catch (error) {
    if (!(error instanceof KubeError)) {
      throw error;
    }
    throw new Failure('reset-failed', `The password was not changed: ${error.message}.`, {
      remedy: 'Look at `terrarium status`; when an API server answers, run the command again.',
      cause: error,
    });
  }
}
