import { existsSync, readFileSync, watch } from 'node:fs';
import { join } from 'node:path';
import type { AgentConfig } from '../../installer/node/agent-config.ts';
import { createKubeClient, type KubeClient } from '../kube/client.ts';

/**
 * The agent's client of the Kubernetes API, by way of its own balancer, as soon as the node has its identity
 * (the install writes it after the agent has started). Undefined where the signal is aborted before.
 */
export async function agentAccess(config: AgentConfig, signal: AbortSignal): Promise<KubeClient | undefined> {
  const dir = join(config.data, 'pki/kubernetes');
  const files = ['ca.crt', 'agent.crt', 'agent.key'].map((f) => join(dir, f));
  await appear(join(config.data, 'pki'), dir, files, signal);
  if (signal.aborted) {
    return undefined;
  }
  const [ca, cert, key] = files.map((f) => readFileSync(f, 'utf8'));
  const host = config.family === 6 ? '[::1]' : '127.0.0.1';
  return createKubeClient({
    server: `https://${host}:${config.ports.balancer}`,
    ca: ca ?? '',
    cert: cert ?? '',
    key: key ?? '',
  });
}

/** Resolves when all files are there; watches their folder, and the folder's parent until there is one. */
function appear(parent: string, dir: string, files: string[], signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const watchers: { close(): void }[] = [];
    const done = (): void => {
      for (const w of watchers) {
        w.close();
      }
      resolve();
    };
    const look = (): void => {
      if (signal.aborted || files.every((f) => existsSync(f))) {
        done();
      } else if (watchers.length < 2 && existsSync(dir)) {
        watchers.push(watch(dir, look));
        if (files.every((f) => existsSync(f))) {
          done();
        }
      }
    };
    watchers.push(watch(parent, look));
    signal.addEventListener('abort', look, { once: true });
    look();
  });
}
