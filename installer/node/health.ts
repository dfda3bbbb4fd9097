import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { PKI_DIR } from './kubeadm.ts';

/**
 * Asks an endpoint of a control-plane component over TLS, as a client of this node. Undefined where it answers 200,
 * else the cause in a few words. `kind` says whose CA and client certificate are used.
 */
export function askHealth(kind: 'api' | 'etcd', host: string, port: number, path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    let tls;
    try {
      tls =
        kind === 'api'
          ? { ca: readFileSync(`${PKI_DIR}/ca.crt`) }
          : {
              ca: readFileSync(`${PKI_DIR}/etcd/ca.crt`),
              cert: readFileSync(`${PKI_DIR}/etcd/healthcheck-client.crt`),
              key: readFileSync(`${PKI_DIR}/etcd/healthcheck-client.key`),
            };
    } catch (error) {
      resolve(error instanceof Error ? error.message : String(error));
      return;
    }
    const asked = request({ host, port, path, ...tls, timeout: 3000, agent: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200 ? undefined : `it answers ${answer.statusCode ?? 0}`);
    });
    asked.on('timeout', () => asked.destroy(new Error('it does not answer within 3 s')));
    asked.on('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code === 'ECONNREFUSED' ? 'nothing listens there yet' : error.message),
    );
    asked.end();
  });
}
