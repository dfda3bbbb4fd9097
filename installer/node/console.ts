import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { nodePaths } from '../cluster/paths.ts';
import type { ClusterSpec, NodeSpec } from '../cluster/spec.ts';
import { readText } from './files.ts';

/** Undefined where a control plane's console answers that it is ready, else why not. */
export function consoleAnswers(spec: ClusterSpec, node: NodeSpec): Promise<string | undefined> {
  return new Promise((resolve) => {
    const paths = nodePaths(spec);
    const own = readText(`${paths.cloud}/tls/console.crt`);
    const ca = [readFileSync(`${paths.pki}/ca.crt`, 'utf8'), ...(own === undefined ? [] : [own])];
    // A certificate of the customer's names the console's DNS name, not this address; it is pinned by its own file.
    const identity = own === undefined ? {} : { checkServerIdentity: () => undefined };
    // It may have been given alone, without those that signed it: then it is trusted by itself.
    const asked = request(
      {
        host: node.address,
        port: spec.ports.console,
        path: '/readyz',
        ca,
        allowPartialTrustChain: own !== undefined,
        ...identity,
        servername: '',
        agent: false,
        timeout: 3000,
      },
      (answer) => {
        answer.resume();
        resolve(answer.statusCode === 200 ? undefined : `it answers ${answer.statusCode ?? 0}`);
      },
    );
    asked.on('timeout', () => asked.destroy(new Error('no answer within 3 s')));
    asked.on('error', (error) => resolve(error.message));
    asked.end();
  });
}
