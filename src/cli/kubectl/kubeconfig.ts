import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { askApi, reason, type Plane } from '../../context/ask.ts';
import { findContext, loadContext, type Context } from '../../context/context.ts';
import { EXIT, Failure } from '../../errors.ts';

const ADMIN_CONF = '/etc/kubernetes/admin.conf';
const ANSWER_MS = 2_000;

/** A kubeconfig for one run. */
export interface TemporaryKubeconfig {
  path: string;
  remove(): void;
}

function base64(pem: string): string {
  return Buffer.from(pem).toString('base64');
}

/** A kubeconfig (JSON is YAML) for the API server of one control plane. */
export function kubeconfigText(context: Context, plane: Plane): string {
  const host = plane.address.includes(':') ? `[${plane.address}]` : plane.address;
  const { ca, clientCertificate, clientKey } = context.kubeconfig;
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': context.name,
    clusters: [
      {
        name: context.name,
        cluster: { server: `https://${host}:${context.ports.api}`, 'certificate-authority-data': base64(ca) },
      },
    ],
    users: [
      {
        name: 'admin',
        user: { 'client-certificate-data': base64(clientCertificate), 'client-key-data': base64(clientKey) },
      },
    ],
    contexts: [{ name: context.name, context: { cluster: context.name, user: 'admin' } }],
  });
}

/** The first control plane whose API server is ready, all asked at once; else one that at least answers. */
async function livingPlane(context: Context): Promise<Plane> {
  const failed: string[] = [];
  let unready: Plane | undefined;
  const ready = await new Promise<Plane | undefined>((resolve) => {
    const stop = new AbortController();
    const asked = context.controlPlanes.map(async (plane) => {
      try {
        const answer = await askApi(context, plane, '/readyz', {
          connectMs: ANSWER_MS,
          answerMs: ANSWER_MS,
          signal: stop.signal,
        });
        answer.destroy();
        if (answer.statusCode === 200) {
          resolve(plane);
          stop.abort();
        } else {
          unready ??= plane;
        }
      } catch (error) {
        failed.push(`${plane.name} (${plane.address}): ${reason(error)}`);
      }
    });
    void Promise.all(asked).then(() => resolve(undefined));
  });
  const plane = ready ?? unready;
  if (plane !== undefined) {
    return plane;
  }
  throw new Failure('unreachable', `No API server of ${context.name} answers: ${failed.join('; ')}.`, {
    remedy: 'Check that the machines are on and that this machine reaches them.',
    exitCode: EXIT.unreachable,
  });
}

/**
 * A kubeconfig for the current context, mode 0600 in a folder of its own; on a node without a context, the node's own.
 * @throws Failure `no-context`, `unreachable`
 */
export async function openKubeconfig(env: NodeJS.ProcessEnv): Promise<TemporaryKubeconfig> {
  const context = findContext(env, env['TERRARIUM_CONTEXT']);
  if (context === undefined) {
    if (process.getuid?.() === 0 && existsSync(ADMIN_CONF)) {
      return { path: ADMIN_CONF, remove: () => undefined };
    }
    // For its sentence.
    loadContext(env);
    throw new Error('unreachable');
  }
  const text = kubeconfigText(context, await livingPlane(context));
  const folder = mkdtempSync(join(tmpdir(), 'terrarium-'));
  const path = join(folder, 'kubeconfig');
  writeFileSync(path, text, { mode: 0o600 });
  return { path, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
