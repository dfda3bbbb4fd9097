import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { nodePaths } from '../cluster/paths.ts';
import type { ClusterSpec, NodeSpec } from '../cluster/spec.ts';

/** Undefined where a control plane's console answers that it is ready, else why not. */
export function consoleAnswers(spec: ClusterSpec, node: NodeSpec): Promise<string | undefined> {
  return new Promise((resolve) => {
    const ca = readFileSync(`${nodePaths(spec).pki}/ca.crt`);
    const asked = request({ host: node.address, port: spec.ports.console, path: '/readyz', ca, servername: '', agent: false, timeout: 3000 }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200 ? undefined : `it answers ${answer.statusCode ?? 0}`);
    });
    asked.on('timeout', () => asked.destroy(new Error('no answer within 3 s')));
    asked.on('error', (error) => resolve(error.message));
    asked.end();
  });
}
