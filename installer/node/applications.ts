import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '../../src/errors.ts';
import { hostPort } from '../../src/host-port.ts';
import { APPLICATIONS } from '../../src/kube/applications.ts';
import type { Assets } from '../../src/payload/types.ts';
import type { ApplicationRecord } from '../bundle/application/spec.ts';
import type { ClusterSpec } from '../cluster/spec.ts';
import type { PhaseContext } from '../plan/types.ts';
import { kubectl } from './kubeadm.ts';
import { run } from './run.ts';

/**
 * An object may need one that is applied beside it: a resource definition, a namespace's service account, a webhook.
 */
const PATIENCE_MS = 30_000;
const PAUSE_MS = 1_000;

export interface Application extends ApplicationRecord {
  /** The manifests' content, in the order in which they are applied. */
  manifests: string[];
}

/** What the bundle carries below `app/`. */
export function bundledApplications(assets: Assets): Application[] {
  const paths = assets
    .entries()
    .map((e) => e.path)
    .filter((p) => p.startsWith('app/'))
    .sort();
  return paths
    .filter((p) => /^app\/[^/]+\/app\.json$/.test(p))
    .map((p) => ({
      ...(JSON.parse(assets.read(p).toString('utf8')) as ApplicationRecord),
      manifests: paths
        .filter((m) => m.startsWith(p.replace(/app\.json$/, 'manifests/')))
        .map((m) => assets.read(m).toString('utf8')),
    }));
}

function schemeOf(name: string, protocol: string): string | undefined {
  if (protocol === 'HTTP' || protocol === 'HTTPS') {
    return protocol.toLowerCase();
  }
  return protocol === 'TCP' && /^https?$/.test(name) ? name : undefined;
}

/** Where users find it: each published port on each node. Pure. */
export function publishedAddresses(
  application: Pick<ApplicationRecord, 'ports'>,
  spec: Pick<ClusterSpec, 'nodes'>,
): string[] {
  return application.ports.flatMap(({ name, port, protocol }) => {
    const scheme = schemeOf(name, protocol);
    return spec.nodes
      .toSorted((a, b) => a.name.localeCompare(b.name))
      .map((n) => `${scheme === undefined ? '' : `${scheme}://`}${hostPort(n.address, port)}`);
  });
}

/**
 * One ConfigMap for all; each application's part has a field manager of its own, so that the one leaves the other's
 * alone.
 */
function published(application: Application, spec: ClusterSpec): string {
  const sha256 = createHash('sha256').update(JSON.stringify(application.manifests)).digest('hex');
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { ...APPLICATIONS, annotations: { [annotation(application)]: sha256 } },
    data: { [application.name]: JSON.stringify(publishedAddresses(application, spec)) },
  });
}

const annotation = ({ name }: Application): string => `terrarium.local/${name}`;

type DeployContext = Pick<PhaseContext, 'spec' | 'signal' | 'log' | 'waiting'>;

async function apply(
  { spec, signal, log }: DeployContext,
  application: Application,
  manifest: string,
): Promise<string | undefined> {
  const manager = `--field-manager=terrarium-${application.name}`;
  const { exitCode, stderr } = await run(
    kubectl(spec, 'apply', '--server-side', '--force-conflicts', manager, '-f', '-'),
    { input: manifest, accept: [0, 1], signal, log },
  );
  if (exitCode === 0) {
    return undefined;
  }
  const said = stderr
    .split('\n')
    .map((l) => l.trim())
    .filter((l) => l !== '');
  return said.length === 0 ? 'kubectl said nothing' : said.slice(0, 3).join('; ');
}

/**
 * Applies an application's manifests in their order, and publishes its addresses.
 * @throws Failure `application-refused` naming the application and what Kubernetes said.
 */
export async function deployApplication(context: DeployContext, application: Application): Promise<void> {
  const end = Date.now() + PATIENCE_MS;
  for (const manifest of [...application.manifests, published(application, context.spec)]) {
    for (;;) {
      const cause = await apply(context, application, manifest);
      if (cause === undefined) {
        break;
      }
      if (Date.now() > end || /is invalid|strict decoding|error (parsing|converting)/i.test(cause)) {
        throw new Failure(
          'application-refused',
          `The application ${application.name} ${application.version} cannot be deployed: ${cause.replace(/\.$/, '')}.`,
          {
            remedy:
              'Tell its vendor; Kubernetes itself is installed. With a corrected bundle the same command continues.',
          },
        );
      }
      context.waiting(`Kubernetes to take the application ${application.name}`, cause);
      await sleep(PAUSE_MS, undefined, { signal: context.signal });
    }
  }
}

/** Whether the cluster has these very manifests, all their objects, and these addresses. */
export async function isDeployed(spec: ClusterSpec, application: Application): Promise<boolean> {
  const get = (args: string[], input?: string) =>
    run(kubectl(spec, 'get', ...args), {
      accept: [0, 1],
      timeoutMs: 20_000,
      ...(input === undefined ? {} : { input }),
    });
  const found = await get([`configmap/${APPLICATIONS.name}`, '-n', APPLICATIONS.namespace, '-o', 'json']);
  if (found.exitCode !== 0) {
    return false;
  }
  const is = JSON.parse(found.stdout) as {
    metadata: { annotations?: Record<string, string> };
    data?: Record<string, string>;
  };
  const wanted = JSON.parse(published(application, spec)) as {
    metadata: { annotations: Record<string, string> };
    data: Record<string, string>;
  };
  const key = annotation(application);
  if (
    is.metadata.annotations?.[key] !== wanted.metadata.annotations[key] ||
    is.data?.[application.name] !== wanted.data[application.name]
  ) {
    return false;
  }
  for (const manifest of application.manifests) {
    if ((await get(['-f', '-', '-o', 'name'], manifest)).exitCode !== 0) {
      return false;
    }
  }
  return true;
}
