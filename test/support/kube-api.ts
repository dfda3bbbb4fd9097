import { spawn, type ChildProcess } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createKubeClient, type KubeClient } from '../../src/kube/client.ts';
import { createAuthority, issue, type KeyPair } from '../../src/pki/authority.ts';
import { freePorts } from './bus-files.ts';
import { until } from './local-cloud.ts';
import { testProgram } from './programs.ts';

export const KUBE = await testProgram('kube', 'KUBE');
export const ETCD = await testProgram('etcd', 'ETCD');

/** A real API server over a real etcd on loopback, without kubelet or controllers. */
export interface KubeApi {
  root: string;
  port: number;
  authority: KeyPair;
  admin: KeyPair;
  client: KubeClient;
  stop(): Promise<void>;
}

function run(program: string, args: string[], log: string[]): ChildProcess {
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  child.stderr.on('data', (chunk: Buffer) => log.push(chunk.toString('utf8')));
  return child;
}

function runEtcd(dataDir: string, clientUrl: string, peerPort: number, log: string[]): ChildProcess {
  const peerUrl = `http://127.0.0.1:${peerPort}`;
  return run(
    ETCD,
    [
      '--data-dir',
      dataDir,
      '--listen-client-urls',
      clientUrl,
      '--advertise-client-urls',
      clientUrl,
      '--listen-peer-urls',
      peerUrl,
      '--initial-advertise-peer-urls',
      peerUrl,
      '--initial-cluster',
      `default=${peerUrl}`,
      '--unsafe-no-fsync',
    ],
    log,
  );
}

/** Kills those that run, and waits for their ends. */
async function end(children: ChildProcess[]): Promise<void> {
  await Promise.all(
    children.map(async (child) => {
      if (child.exitCode !== null || child.signalCode !== null) {
        return;
      }
      child.kill('SIGKILL');
      await once(child, 'exit');
    }),
  );
}

/** Starts etcd and the API server. */
export async function kubeApi(): Promise<KubeApi> {
  const root = mkdtempSync(join(tmpdir(), 'terrarium-kube-'));
  const [port = 0, etcdClient = 0, etcdPeer = 0] = await freePorts(3);
  const now = new Date();
  const authority = await createAuthority('test', now);
  const server = await issue(
    authority,
    { commonName: 'kube-apiserver', sans: ['127.0.0.1', 'localhost'], usages: ['server'], days: 1 },
    now,
  );
  const admin = await issue(
    authority,
    { commonName: 'admin', organization: 'system:masters', sans: [], usages: ['client'], days: 1 },
    now,
  );
  const put = (name: string, content: string): string => {
    writeFileSync(join(root, name), content, { mode: 0o600 });
    return join(root, name);
  };
  const ca = put('ca.crt', authority.cert);
  const serviceAccounts = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const signing = put('sa.key', serviceAccounts.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
  const verifying = put('sa.pub', serviceAccounts.publicKey.export({ type: 'spki', format: 'pem' }).toString());
  mkdirSync(join(root, 'bin'));
  for (const name of ['kube-apiserver', 'kubectl']) {
    symlinkSync(KUBE, join(root, 'bin', name));
  }
  const log: string[] = [];
  const etcdUrl = `http://127.0.0.1:${etcdClient}`;
  const children = [
    runEtcd(join(root, 'etcd'), etcdUrl, etcdPeer, log),
    run(
      join(root, 'bin/kube-apiserver'),
      [
        ['etcd-servers', etcdUrl],
        ['bind-address', '127.0.0.1'],
        ['advertise-address', '127.0.0.1'],
        ['endpoint-reconciler-type', 'none'],
        ['secure-port', String(port)],
        ['tls-cert-file', put('server.crt', server.cert)],
        ['tls-private-key-file', put('server.key', server.key)],
        ['client-ca-file', ca],
        ['service-account-issuer', 'https://test'],
        ['service-account-signing-key-file', signing],
        ['service-account-key-file', verifying],
        ['service-cluster-ip-range', '240.96.0.0/16'],
        ['authorization-mode', 'RBAC'],
        ['disable-admission-plugins', 'ServiceAccount'],
      ].map(([name, value]) => `--${name}=${value}`),
      log,
    ),
  ];
  const client = createKubeClient({
    server: `https://127.0.0.1:${port}`,
    ca: authority.cert,
    cert: admin.cert,
    key: admin.key,
  });
  const stop = async (): Promise<void> => {
    client.close();
    await end(children);
    rmSync(root, { recursive: true, force: true });
  };
  try {
    await until(
      'an API server that is ready',
      () =>
        client.open('/readyz').then(
          (answer) => answer.resume() && true,
          () => undefined,
        ),
      60_000,
    );
  } catch (error) {
    await stop();
    throw new Error(`${(error as Error).message}\n${log.join('').slice(-4000)}`, { cause: error });
  }
  return { root, port, authority, admin, client, stop };
}
