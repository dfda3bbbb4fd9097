import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { keyName } from '../../bus/direct-keys.ts';
import { signToken, sqlHash, type Claims } from '../../bus/direct-token.ts';
import { TOKEN_MS } from '../../bus/direct.ts';

export interface TokenRequest extends Pick<Claims, 'q' | 'sat' | 'user' | 'timeoutMs' | 'maxRows' | 'maxBytes'> {
  sql: string;
}

/**
 * Signs tokens by a key of this instance's own, which is made at each start and never leaves the process: there is no
 * file to be stolen, nothing to be rotated, and the tokens of an instance that has ended are worth nothing. The public
 * key travels with the instance's announcements.
 */
export interface TokenSigner {
  /** Raw, base64url. */
  publicKey: string;
  sign(request: TokenRequest): string;
}

export function createTokenSigner(now: () => number): TokenSigner {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const raw = publicKey.export({ format: 'jwk' }).x ?? '';
  const key = keyName(raw);
  return {
    publicKey: raw,
    sign({ sql, ...request }) {
      const from = now();
      return signToken(
        { ...request, key, id: randomBytes(16).toString('base64url'), from, until: from + TOKEN_MS, sql: sqlHash(sql) },
        privateKey,
      );
    },
  };
}
