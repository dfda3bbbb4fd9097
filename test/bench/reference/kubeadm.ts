import { createHash, randomBytes, X509Certificate } from 'node:crypto';
import { cpSync, createWriteStream, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { imageArchive, imageNames } from '../../../installer/bundle/image-archive.ts';
import { unpackRelease } from '../../../installer/bundle/unpack.ts';
import { rootDir } from '../../../installer/lab/names.ts';
import { hostTraits } from '../../../installer/node/traits.ts';
import { openAssets } from '../../../src/assets.ts';
import type { Lab } from '../../e2e/support/lab.ts';
import { HOME, initConfig, joinConfig, machineFiles, type Secrets } from './files.ts';

export interface Step {
  title: string;
  ms: number;
}

/** Path of a machine's file on this machine: the lab's disks are mounted here. */
function within(machine: string, path: string): string {
  return join(rootDir(machine), path);
}

function write(machine: string, path: string, content: string): void {
  const file = within(machine, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content, { mode: 0o644 });
}

/**
 * Everything that is there before the clock starts: the payload's programs, kubeadm's images as a file, containerd
 * running.
 */
export async function prepareReference(lab: Lab): Promise<void> {
  const assets = openAssets();
  const names = imageNames(assets).filter((n) => n.startsWith('registry.k8s.io/'));
  const [first, ...others] = lab.machines.map((m) => within(m.name, HOME));
  if (first === undefined) {
    throw new Error('the lab has no machine');
  }
  mkdirSync(first, { recursive: true });
  await unpackRelease(assets, first);
  await pipeline(imageArchive(assets, names), createWriteStream(join(first, 'images.tar')));
  for (const other of others) {
    cpSync(first, other, { recursive: true, verbatimSymlinks: true });
  }
  for (const { name } of lab.machines) {
    for (const [path, content] of Object.entries(machineFiles(hostTraits()))) {
      write(name, path, content);
    }
    await must(lab, name, 'systemctl', 'daemon-reload');
    await must(lab, name, 'systemctl', 'start', 'containerd');
  }
}

async function must(lab: Lab, machine: string, ...argv: string[]): Promise<string> {
  const ended = await lab.exec(
    machine,
    'env',
    `PATH=${HOME}/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
    'KUBECONFIG=/etc/kubernetes/admin.conf',
    ...argv,
  );
  if (ended.exitCode !== 0) {
    throw new Error(
      `${argv.slice(0, 3).join(' ')} on ${machine}: exit ${ended.exitCode}: ` +
        `${(ended.stderr || ended.stdout).trim().slice(-600)}`,
    );
  }
  return ended.stdout;
}

/**
 * Bare kubeadm by hand: image import, init and joins, one after the other, then until all nodes and static pods are
 * Ready.
 * @returns what took how long, in order.
 */
export async function runReference(lab: Lab, say: (line: string) => void): Promise<Step[]> {
  const [first, ...others] = lab.machines;
  if (first === undefined) {
    throw new Error('the lab has no machine');
  }
  const secrets: Secrets = {
    token: `${randomBytes(3).toString('hex')}.${randomBytes(8).toString('hex')}`,
    certificateKey: randomBytes(32).toString('hex'),
  };
  const steps: Step[] = [];
  const timed = async (title: string, work: () => Promise<unknown>): Promise<void> => {
    const began = Date.now();
    await work();
    steps.push({ title, ms: Date.now() - began });
    say(`kubeadm: ${title}: ${((Date.now() - began) / 1000).toFixed(1)} s`);
  };
  await timed('image import, one machine after the other', async () => {
    for (const { name } of lab.machines) {
      await must(lab, name, 'ctr', '-n', 'k8s.io', 'images', 'import', '--local', `${HOME}/images.tar`);
    }
  });
  write(first.name, '/root/kubeadm.yaml', initConfig(first, secrets, hostTraits()));
  await timed('init', () =>
    must(lab, first.name, 'kubeadm', 'init', '--config', '/root/kubeadm.yaml', '--upload-certs'),
  );
  const ca = new X509Certificate(readFileSync(within(first.name, '/etc/kubernetes/pki/ca.crt')));
  const caHash = `sha256:${createHash('sha256')
    .update(ca.publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex')}`;
  for (const peer of others) {
    write(peer.name, '/root/kubeadm.yaml', joinConfig(first, peer, secrets, caHash));
    await timed(`join of ${peer.name}`, () =>
      must(lab, peer.name, 'kubeadm', 'join', '--config', '/root/kubeadm.yaml'),
    );
  }
  await timed('until every node and static pod is Ready', () => allReady(lab, first.name));
  return steps;
}

interface Listed {
  items: { kind: string; metadata: { name: string }; status: { conditions?: { type: string; status: string }[] } }[];
}

/** kube-apiserver, kube-controller-manager, kube-scheduler and etcd. */
const STATIC_PODS = 4;

async function allReady(lab: Lab, machine: string): Promise<void> {
  const end = Date.now() + 300_000;
  for (;;) {
    const { items } = JSON.parse(
      await must(lab, machine, 'kubectl', 'get', 'nodes,pods', '-A', '-o', 'json'),
    ) as Listed;
    const notReady = items.filter(
      (i) => i.status.conditions?.some((c) => c.type === 'Ready' && c.status === 'True') !== true,
    );
    if (notReady.length === 0 && items.length === lab.machines.length * (1 + STATIC_PODS)) {
      return;
    }
    if (Date.now() > end) {
      throw new Error(
        `not ready after 5 minutes: ${notReady.map((i) => i.metadata.name).join(', ')} (${items.length} nodes and ` +
          'pods)',
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}
