import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import type { Backend } from './backends.ts';

const TIMEOUT_MS = 2000;

/**
 * Asks an API server whether it is ready, over one kept connection each. `ca` may not be there yet while the node is
 * being installed: then only the answer counts; nothing is sent or believed beyond "it is up".
 */
export function readyProbe(caFile: string): (backend: Backend) => Promise<boolean> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1, timeout: TIMEOUT_MS * 5 });
  let ca: Buffer | undefined;
  return (backend) =>
    new Promise((resolve) => {
      ca ??= read(caFile);
      const asked = request(
        {
          host: backend.address,
          port: backend.port,
          path: '/readyz',
          agent,
          timeout: TIMEOUT_MS,
          ...(ca === undefined ? { rejectUnauthorized: false } : { ca }),
        },
        (answer) => {
          answer.resume();
          resolve(answer.statusCode === 200);
        },
      );
      asked.on('timeout', () => asked.destroy());
      asked.on('error', () => resolve(false));
      asked.end();
    });
}

function read(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch {
    return undefined;
  }
}
