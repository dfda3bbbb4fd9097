import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import { parse } from 'yaml';
import { API_PATHS } from '../../../src/cloud/api-paths.ts';
import type { Lab } from './lab.ts';

/**
 * Logs in at the console of `address`, whose certificate must be of the cluster's CA; 0 where nobody answers within 5
 * s. @returns the HTTP status.
 */
export function login(lab: Lab, address: string, password: string): Promise<number> {
  const { contexts } = parse(readFileSync(join(lab.dir, 'home/config.yaml'), 'utf8')) as {
    contexts: { ca: string; ports: { console: number } }[];
  };
  const [context] = contexts;
  if (context === undefined) {
    throw new Error('no context');
  }
  const body = JSON.stringify({ user: 'admin', password });
  return new Promise((resolve) => {
    const asked = request(
      {
        host: isIPv6(address) ? `[${address}]` : address,
        port: context.ports.console,
        path: API_PATHS.login,
        method: 'POST',
        ca: context.ca,
        timeout: 5_000,
        headers: { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) },
      },
      (answer) => {
        answer.resume();
        resolve(answer.statusCode ?? 0);
      },
    );
    asked.on('timeout', () => asked.destroy(new Error('timeout')));
    asked.on('error', () => resolve(0));
    asked.end(body);
  });
}
