import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import type { Client, ConnectConfig, ServerHostKeyAlgorithm, utils as SshUtils } from 'ssh2';
import { EXIT, Failure, isErrno } from '../../src/errors.ts';
import type { SshTarget } from '../cluster/spec.ts';
import { type KnownKey, fingerprint, keyType, knownHostsFile, knownKeys, remember } from './known-hosts.ts';

const READY_TIMEOUT_MS = 15_000;
const HOST_KEYS: ServerHostKeyAlgorithm[] = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'rsa-sha2-512',
  'rsa-sha2-256',
];

type Methods =
  | { type: 'publickey'; username: string; key: string | Buffer }
  | { type: 'agent'; username: string; agent: string };

function keyFailure(code: string, host: string, sentence: string, remedy: string): Failure {
  return new Failure(code, sentence, { host, remedy, exitCode: EXIT.unreachable });
}

function unreadable(error: unknown): string {
  if (isErrno(error, 'ENOENT')) {
    return 'there is no such file';
  }
  return isErrno(error, 'EACCES') ? 'it may not be read by you' : String(error);
}

function readKey(path: string, host: string, parseKey: typeof SshUtils.parseKey): Buffer {
  let key: Buffer;
  try {
    key = readFileSync(path);
  } catch (error) {
    throw new Failure('ssh-key', `The ssh key ${path} for ${host} cannot be used: ${unreadable(error)}.`, {
      host,
      remedy: 'Name the private key by --ssh-key or `ssh.key`.',
      exitCode: EXIT.usage,
    });
  }
  const parsed = parseKey(key);
  if (!(parsed instanceof Error) && [parsed].flat().every((k) => k.isPrivateKey())) {
    return key;
  }
  if (parsed instanceof Error && /encrypted/i.test(parsed.message)) {
    throw new Failure('ssh-key', `The ssh key ${path} is protected by a passphrase.`, {
      host,
      remedy: 'Add it to an ssh agent (`ssh-add`) and leave --ssh-key out.',
      exitCode: EXIT.usage,
    });
  }
  throw new Failure('ssh-key', `${path} is no private ssh key.`, {
    host,
    remedy: 'Name the private key by --ssh-key or `ssh.key`, not the .pub file.',
    exitCode: EXIT.usage,
  });
}

function methods(name: string, ssh: SshTarget, env: NodeJS.ProcessEnv, parseKey: typeof SshUtils.parseKey): Methods[] {
  if (ssh.key !== undefined) {
    return [{ type: 'publickey', username: ssh.user, key: readKey(ssh.key, name, parseKey) }];
  }
  const all: Methods[] = [];
  const agent = env['SSH_AUTH_SOCK'];
  if (agent !== undefined && agent !== '') {
    all.push({ type: 'agent', username: ssh.user, agent });
  }
  for (const file of ['id_ed25519', 'id_ecdsa', 'id_rsa']) {
    const path = join(homedir(), '.ssh', file);
    if (!existsSync(path)) {
      continue;
    }
    const key = readFileSync(path);
    if (!(parseKey(key) instanceof Error)) {
      all.push({ type: 'publickey', username: ssh.user, key });
    }
  }
  if (all.length > 0) {
    return all;
  }
  throw new Failure('ssh-key', `There is no ssh key to log in to ${name} with: no agent and no usable key in ~/.ssh.`, {
    host: name,
    remedy: 'Name the private key by --ssh-key or `ssh.key`.',
    exitCode: EXIT.usage,
  });
}

export interface LoginOptions {
  env: NodeJS.ProcessEnv;
  knownHosts?: string;
}

export interface Login {
  client: Client;
  /** Milliseconds from the TCP connection to the server's consent. */
  ms: number;
}

/**
 * Connects and authenticates.
 * @throws Failure `unreachable`, `login-refused`, `host-key-changed`, `ssh-key`.
 */
export async function login(name: string, ssh: SshTarget, options: LoginOptions): Promise<Login> {
  const ssh2 = await import('ssh2');
  const { Client: SshClient, utils } = ssh2.default ?? ssh2;
  const file = ssh.knownHosts ?? options.knownHosts ?? knownHostsFile();
  const known = knownKeys(file, ssh.address, ssh.port);
  const tries = methods(name, ssh, options.env, utils.parseKey);
  let refusal: Failure | undefined;
  const config: ConnectConfig = {
    host: ssh.address,
    port: ssh.port,
    username: ssh.user,
    readyTimeout: READY_TIMEOUT_MS,
    keepaliveInterval: 5_000,
    keepaliveCountMax: 6,
    algorithms: {
      // AES-GCM runs in OpenSSL; ssh2's ChaCha20 is JavaScript without its native addon.
      cipher: ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com', 'aes128-ctr', 'aes256-ctr'],
      serverHostKey: HOST_KEYS.toSorted((a, b) => Number(isKnown(b, known)) - Number(isKnown(a, known))),
    },
    authHandler: tries as unknown as NonNullable<ConnectConfig['authHandler']>,
    hostVerifier(key: Buffer): boolean {
      if (known.length === 0) {
        remember(file, ssh.address, ssh.port, key);
        return true;
      }
      if (known.some((k) => k.type === keyType(key) && k.key === key.toString('base64'))) {
        return true;
      }
      const before = known.find((k) => k.type === keyType(key)) ?? known[0];
      refusal = keyFailure(
        'host-key-changed',
        name,
        `${name} shows another ssh host key than before (now ${fingerprint(key)}, before ` +
          `${fingerprint(Buffer.from(before?.key ?? '', 'base64'))}): it was installed anew, or somebody is in ` +
          'between.',
        `If the machine was installed anew, delete its line (\`ssh-keygen -R ` +
          `'${ssh.port === 22 ? ssh.address : `[${ssh.address}]:${ssh.port}`}' -f ${file}\`) and run the same ` +
          'command again.',
      );
      return false;
    },
  };
  const client = new SshClient();
  return await new Promise<Login>((resolve, reject) => {
    let connectedMs = performance.now();
    client.once('connect', () => {
      connectedMs = performance.now();
    });
    client.once('ready', () => {
      client.removeListener('error', onError);
      client.setNoDelay(true);
      resolve({ client, ms: performance.now() - connectedMs });
    });
    const onError = (error: Error & { level?: string; code?: string }): void => {
      client.on('error', () => undefined);
      client.end();
      reject(refusal ?? translate(name, ssh, error, tries));
    };
    client.once('error', onError);
    client.once('close', () => reject(refusal ?? unreachable(name, ssh, 'it closed the connection before the login')));
    client.connect(config);
  });
}

function isKnown(algorithm: string, known: KnownKey[]): boolean {
  return known.some(({ type }) => algorithm === type || (type === 'ssh-rsa' && algorithm.startsWith('rsa-sha2')));
}

function unreachable(name: string, ssh: SshTarget, why: string): Failure {
  return new Failure('unreachable', `${name} cannot be reached by ssh at ${ssh.address} port ${ssh.port}: ${why}.`, {
    host: name,
    remedy:
      `Check that the machine is up and that \`ssh -p ${ssh.port} ${ssh.user}@${ssh.address}\` works from here, then ` +
      'run the same command again.',
    exitCode: EXIT.unreachable,
  });
}

const CAUSES: Record<string, string> = {
  ECONNREFUSED: 'connection refused, no ssh server listens there',
  EHOSTUNREACH: 'no route to this address',
  ENETUNREACH: 'no route to this network',
  ETIMEDOUT: 'no answer',
  ENOTFOUND: 'this name is unknown',
  EAI_AGAIN: 'this name cannot be looked up',
  ECONNRESET: 'it closed the connection',
};

function translate(
  name: string,
  ssh: SshTarget,
  error: Error & { level?: string; code?: string },
  tries: Methods[],
): Failure {
  if (error.level === 'client-authentication') {
    const with_ =
      ssh.key ??
      (tries.some((t) => t.type === 'agent') ? 'the keys of the ssh agent and ~/.ssh' : 'the keys in ~/.ssh');
    return keyFailure(
      'login-refused',
      name,
      `${name} refused the login of ${ssh.user} with ${with_}.`,
      `Add the public key to ~${ssh.user}/.ssh/authorized_keys there, or name another by --ssh-user and --ssh-key.`,
    );
  }
  if (error.level === 'client-timeout') {
    return unreachable(name, ssh, `no answer within ${READY_TIMEOUT_MS / 1000} s`);
  }
  return unreachable(name, ssh, CAUSES[error.code ?? ''] ?? error.message.replace(/\.$/, ''));
}
