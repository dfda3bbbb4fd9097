import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { EXIT, Failure } from '../../src/errors.ts';
import { KubeError, type KubeClient } from '../../src/kube/client.ts';
import type { Role } from '../cluster/spec.ts';
import { SYSTEM_NAMESPACE } from '../node/stack-manifests.ts';

/**
 * One-time join tokens: `<10 hex>.<32 base64url>`. Secret `join-token-<id>` holds a hash of the second part, the role,
 * the end, and, once used, which request (key) used it: only the same machine may present it again, to continue a join
 * that was killed.
 */
const SECRETS = `/api/v1/namespaces/${SYSTEM_NAMESPACE}/secrets`;
const TOKEN = /^([0-9a-f]{10})\.([A-Za-z0-9_-]{32})$/;

const recordSchema = z.object({
  metadata: z.object({ name: z.string(), resourceVersion: z.string() }),
  data: z.object({ hash: z.base64(), expires: z.base64(), role: z.base64(), usedBy: z.base64().optional() }),
});

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const encode = (text: string): string => Buffer.from(text).toString('base64');
const decode = (text: string): string => Buffer.from(text, 'base64').toString('utf8');

function refused(code: string, message: string): Failure {
  return new Failure(code, message, {
    remedy: 'Make a new one on a control-plane node with `terrarium token create`.',
    exitCode: EXIT.usage,
  });
}

/** Makes a token for one machine. */
export async function createToken(client: KubeClient, role: Role, expires: Date): Promise<string> {
  const id = randomBytes(5).toString('hex');
  const secret = randomBytes(24).toString('base64url');
  const data = { hash: encode(sha256(secret)), expires: encode(expires.toISOString()), role: encode(role) };
  await client.request(SECRETS, {
    method: 'POST',
    body: {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: `join-token-${id}`, labels: { 'terrarium.local/join-token': 'true' } },
      type: 'terrarium.local/join-token',
      data,
    },
  });
  return `${id}.${secret}`;
}

/**
 * Checks a token, and binds it to the machine whose request it comes with. Without `csr` it is only checked.
 * @returns the role that it is for
 * @throws Failure `token-unknown`, `token-expired`, `token-used`, `token-role`.
 */
export async function redeemToken(
  client: KubeClient,
  token: string,
  role: Role,
  csr: string | undefined,
  now: Date,
): Promise<void> {
  const [, id, secret] = TOKEN.exec(token) ?? [];
  if (id === undefined || secret === undefined) {
    throw refused('token-unknown', 'That is no join token.');
  }
  const path = `${SECRETS}/join-token-${id}`;
  let record;
  try {
    record = recordSchema.parse(await client.request(path));
  } catch (error) {
    if (error instanceof KubeError && error.status === 404) {
      throw refused(
        'token-unknown',
        'This cluster does not know the join token: it was made by another cluster, or has ended.',
      );
    }
    throw error;
  }
  const known = Buffer.from(decode(record.data.hash), 'hex');
  if (!timingSafeEqual(known, Buffer.from(sha256(secret), 'hex'))) {
    throw refused('token-unknown', 'This cluster does not know the join token.');
  }
  const expires = decode(record.data.expires);
  if (now > new Date(expires)) {
    throw refused('token-expired', `The join token ended at ${expires}.`);
  }
  if (decode(record.data.role) !== role) {
    throw refused('token-role', `The join token is for a ${decode(record.data.role)} node, not for a ${role}.`);
  }
  const user = csr === undefined ? undefined : sha256(csr.trim());
  if (record.data.usedBy !== undefined) {
    if (user !== undefined && decode(record.data.usedBy) !== user) {
      throw refused('token-used', 'The join token has been used by another machine already.');
    }
    return;
  }
  if (user === undefined) {
    return;
  }
  try {
    // The resource version makes it once: of two machines at the same moment one loses.
    await client.request(path, {
      method: 'PATCH',
      contentType: 'application/merge-patch+json',
      body: { metadata: { resourceVersion: record.metadata.resourceVersion }, data: { usedBy: encode(user) } },
    });
  } catch (error) {
    if (error instanceof KubeError && error.status === 409) {
      throw refused('token-used', 'The join token has been used by another machine already.');
    }
    throw error;
  }
}
