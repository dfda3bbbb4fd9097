import { createHash } from 'node:crypto';
import { createReadStream, existsSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { execa } from 'execa';
import { CLOUD_UID, SATELLITE_UID } from '../node/stack-credentials.ts';
import { kubernetesVersion, type ObtainedPart } from './components.ts';
import { blobEntry, bytesEntry, filesBelow } from './entries.ts';
import { blobPath } from './image-archive.ts';
import { buildImage, buildLayer, packFiles, plainLayer, type Image, type Layer } from './images.ts';
import { program } from './obtain.ts';
import { tarAround, type LayerFile } from './tar.ts';
import type { NewEntry } from './write.ts';

const PATH = 'PATH=/usr/local/bin:/usr/bin:/bin';
/** What a node needs as programs of its own; kube is taken out of the images' layer. */
const HOST_PROGRAMS = [
  'bin/containerd',
  'bin/containerd-shim-runc-v2',
  'bin/crictl',
  'bin/ctr',
  'bin/etcdctl',
  'bin/etcdutl',
  'bin/runc',
  'cni/loopback',
];
const PROGRAMS = 'programs.tar.zst';
const CONTROL_PLANE = ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler'];

interface SharedFile {
  path: string;
  mode: number;
  content: Buffer;
}

/** All entries of the payload. */
export async function contents(
  root: string,
  version: string,
  parts: ObtainedPart[],
  core: string,
  bom: Buffer,
): Promise<NewEntry[]> {
  const kubeLayer = await layerOfKube(program(parts, 'kube').path);
  const shared = sharedFiles(root);
  const own = await coreLayer(core);
  const images = [...(await kubernetesImages(parts, kubeLayer)), await ownImage(version, parts, shared, own.layer)];

  const entries = new Map<string, NewEntry>();
  const add = (entry: NewEntry): void => void entries.set(entry.entry.path, entry);
  for (const entry of await programEntries(parts, kubeLayer)) {
    add(entry);
  }
  for (const file of shared) {
    add(bytesEntry(file.path, file.content, file.mode));
  }
  for (const entry of images.flatMap(imageEntries)) {
    add(entry);
  }
  add({
    entry: {
      path: blobPath(own.layer.digest),
      size: own.layer.size,
      sha256: own.layer.digest.slice('sha256:'.length),
      mode: 0o644,
      core: { before: own.before.toString('base64'), after: own.after },
    },
  });
  add(bytesEntry('images.json', Buffer.from(JSON.stringify(images.map((i) => i.record)))));
  add(bytesEntry('components.json', Buffer.from(JSON.stringify(parts.map(record)))));
  add(bytesEntry('sbom.cdx.json', bom));
  add(bytesEntry('bin/terrarium-probe', await nativeProbe(root), 0o755));
  return [...entries.values()];
}

/** One program under all its names, in a layer that the three images of the control plane share. */
function layerOfKube(kube: string): Promise<Layer> {
  return buildLayer('kube', [
    { path: 'usr/local/bin/kube', mode: 0o755, content: kube },
    ...CONTROL_PLANE.map((name) => ({ path: `usr/local/bin/${name}`, target: 'kube' })),
  ]);
}

async function kubernetesImages(parts: ObtainedPart[], kubeLayer: Layer): Promise<Image[]> {
  const kubernetes = kubernetesVersion(parts);
  const etcd = program(parts, 'etcd');
  const etcdLayer = await buildLayer('etcd', [{ path: 'usr/local/bin/etcd', mode: 0o755, content: etcd.path }]);
  const pauseLayer = await buildLayer('pause', [{ path: 'pause', mode: 0o755, content: program(parts, 'pause').path }]);
  return [
    ...CONTROL_PLANE.map((name) =>
      buildImage([`registry.k8s.io/${name}:v${kubernetes}`], [kubeLayer], {
        Env: [PATH],
        Entrypoint: [`/usr/local/bin/${name}`],
      }),
    ),
    buildImage([`registry.k8s.io/etcd:${partVersion(parts, 'etcd')}-0`], [etcdLayer], {
      Env: [PATH],
      Entrypoint: ['/usr/local/bin/etcd'],
    }),
    buildImage([`registry.k8s.io/pause:${partVersion(parts, 'pause')}`], [pauseLayer], {
      Env: [PATH],
      Entrypoint: ['/pause'],
      User: '65535:65535',
    }),
  ];
}

/** The image that the cloud and the satellites run in. */
async function ownImage(version: string, parts: ObtainedPart[], shared: SharedFile[], own: Layer): Promise<Image> {
  const natsServer = program(parts, 'nats-server').path;
  return buildImage(
    [`terrarium.local/terrarium:${version}`],
    [
      await buildLayer('base', baseFiles(parts)),
      await buildLayer('nats-server', [{ path: 'usr/local/bin/nats-server', mode: 0o755, content: natsServer }]),
      await buildLayer(
        'share',
        shared.map((f) => ({ ...f, path: `usr/share/terrarium/${f.path}` })),
      ),
      own,
    ],
    { Env: [PATH], Entrypoint: ['/usr/local/bin/terrarium'] },
  );
}

/** The programs of a node: a compressed tar and what lies in it, and kube, which lies in its images' layer. */
async function programEntries(parts: ObtainedPart[], kubeLayer: Layer): Promise<NewEntry[]> {
  const kube = program(parts, 'kube');
  const host = HOST_PROGRAMS.map((path) => ({ path, mode: 0o755, content: program(parts, basename(path)).path }));
  const programs = await packFiles('programs', host);
  const kubeOffset = kubeLayer.offsets['usr/local/bin/kube'];
  return [
    blobEntry(PROGRAMS, programs.blob.path, programs.blob.sha256),
    ...host.map(({ path, content }) =>
      insideEntry(path, content, program(parts, basename(path)).sha256, PROGRAMS, programs.tar.offsets[path]),
    ),
    insideEntry('bin/kube', kube.path, kube.sha256, blobPath(kubeLayer.digest), kubeOffset),
  ];
}

function imageEntries(image: Image): NewEntry[] {
  return [
    ...image.documents.map((document) => bytesEntry(blobPath(document.digest), document.bytes)),
    ...image.layers.flatMap((part) =>
      part.file === undefined ? [] : [blobEntry(blobPath(part.digest), part.file, part.digest)],
    ),
  ];
}

/** A program that is carried in a compressed tar. */
function insideEntry(path: string, file: string, sha256: string, outer: string, offset = 0): NewEntry {
  return {
    entry: {
      path,
      size: statSync(file).size,
      sha256,
      mode: 0o755,
      inside: { path: outer, offset, compression: 'zstd' },
    },
  };
}

/** Preflight's native helper, compiled anew each time: that takes a tenth of a second. */
async function nativeProbe(root: string): Promise<Buffer> {
  const file = join(root, 'build/native/terrarium-probe');
  await execa(join(root, 'installer/preflight/probe-build.sh'), [file]);
  return readFileSync(file);
}

function partVersion(parts: ObtainedPart[], name: string): string {
  return parts.find((p) => p.name === name)?.version ?? '';
}

/** What the executable needs beside itself, in the payload and in our own image. */
function sharedFiles(root: string): SharedFile[] {
  const console = join(root, 'build/console');
  const files = [
    ...filesBelow(join(root, 'manifests'), 'manifests').filter((f) => !f.path.startsWith('manifests/examples/')),
    ...(existsSync(console) ? filesBelow(console, 'console') : []),
  ].map((f) => ({ ...f, mode: 0o644 }));
  const [addon] = filesBelow(join(root, 'node_modules/better-sqlite3/prebuilds'), '').filter(
    (f) => f.path === '/linux-x64.node',
  );
  if (addon === undefined) {
    throw new Error('better-sqlite3 has no prebuilt addon for linux-x64');
  }
  return [...files, { path: 'addon/better_sqlite3.node', mode: 0o755, content: addon.content }];
}

/** A root with nothing but the C and C++ libraries, prlimit, users, name resolution and /tmp. */
export function baseFiles(parts: ObtainedPart[]): LayerFile[] {
  const base = parts.filter((p) => p.name === 'base-libraries' || p.name === 'prlimit');
  const libraries = base
    .flatMap((p) => Object.entries(p.files))
    .map(([path, file]) => ({
      path: path.endsWith('/ld-linux-x86-64.so.2') ? 'lib64/ld-linux-x86-64.so.2' : path,
      mode: 0o755,
      content: file.path,
    }));
  const text = (path: string, lines: string[]): LayerFile => ({
    path,
    mode: 0o644,
    content: Buffer.from(`${lines.join('\n')}\n`),
  });
  const users = [
    ['terrarium', CLOUD_UID],
    ['satellite', SATELLITE_UID],
  ] as const;
  return [
    ...libraries,
    text('etc/passwd', [
      'root:x:0:0:root:/root:/sbin/nologin',
      ...users.map(([name, id]) => `${name}:x:${id}:${id}:${name}:/tmp:/sbin/nologin`),
      'nobody:x:65534:65534:nobody:/:/sbin/nologin',
    ]),
    text('etc/group', ['root:x:0:', ...users.map(([name, id]) => `${name}:x:${id}:`), 'nogroup:x:65534:']),
    text('etc/nsswitch.conf', ['hosts: files dns']),
    { path: 'root', mode: 0o700, directory: true },
    { path: 'tmp', mode: 0o1777, directory: true },
  ];
}

/**
 * The layer with the executable itself, which no payload can hold: its tar is made on the node out of the running one.
 */
async function coreLayer(core: string): Promise<{ layer: Layer; before: Buffer; after: number }> {
  const { size } = statSync(core);
  const around = await tarAround({ path: 'usr/local/bin/terrarium', mode: 0o755 }, size);
  const hash = createHash('sha256').update(around.before);
  for await (const chunk of createReadStream(core, { highWaterMark: 1 << 20 })) {
    hash.update(chunk as Buffer);
  }
  hash.update(Buffer.alloc(around.after));
  return { layer: plainLayer(hash.digest('hex'), around.before.length + size + around.after), ...around };
}

/** What `bundle inspect` shows of a part: without paths of the machine that built it. */
function record(part: ObtainedPart): Omit<ObtainedPart, 'files'> & { files: Record<string, string> } {
  return { ...part, files: Object.fromEntries(Object.entries(part.files).map(([name, file]) => [name, file.sha256])) };
}
