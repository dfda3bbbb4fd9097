import { execFileSync } from 'node:child_process';
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import t from 'tap';
import { buildApplicationBundle } from '../../installer/bundle/application/build.ts';
import { checkManifest, normalize, vagueness } from '../../installer/bundle/application/references.ts';
import { bytesEntry } from '../../installer/bundle/entries.ts';
import { imageArchive, imageNames } from '../../installer/bundle/image-archive.ts';
import { assemble, writeBundle } from '../../installer/bundle/write.ts';
import { payloadAssets } from '../../src/assets.ts';
import { rawPublicKey } from '../../src/payload/keys.ts';
import { openPayload } from '../../src/payload/open.ts';
import { verifyPayload } from '../../src/payload/verify.ts';

const dir = mkdtempSync(join(tmpdir(), 'application-'));
t.teardown(() => rmSync(dir, { recursive: true }));
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

const pair = generateKeyPairSync('ed25519');
const key = {
  publicKey: rawPublicKey(pair.publicKey),
  development: true,
  sign: (bytes: Buffer) => sign(null, bytes, pair.privateKey),
};
const trustedKeys = [key.publicKey.toString('hex')];

const core = Buffer.alloc(3000, 'core ');
const packed = zstdCompressSync(core);
const base = join(dir, 'base.bundle');
await writeBundle(
  base,
  { bytes: packed },
  assemble(
    {
      name: 'terrarium',
      version: '1.0.0',
      kubernetes: '1.36.3',
      developmentKey: true,
      core: {
        size: core.length,
        sha256: sha256(core),
        stored: { size: packed.length, sha256: sha256(packed), frames: [packed.length] },
      },
    },
    [bytesEntry('images.json', Buffer.from('[]')), bytesEntry('bin/ctr', Buffer.from('ctr'))],
    key,
  ),
  0o644,
);

/** A docker-archive or an OCI layout with one image of one layer, made by GNU tar as any tool would. */
function archive(
  name: string,
  reference: string | null,
  change: { architecture?: string; layout?: boolean } = {},
): string {
  const image = mkdtempSync(join(dir, 'image-'));
  writeFileSync(join(image, 'hello'), reference ?? 'nameless');
  execFileSync('tar', ['-C', image, '-cf', join(image, 'layer.tar'), 'hello']);
  const layer = execFileSync('cat', [join(image, 'layer.tar')]);
  const config = Buffer.from(
    JSON.stringify({
      architecture: change.architecture ?? 'amd64',
      os: 'linux',
      config: {},
      rootfs: { type: 'layers', diff_ids: [`sha256:${sha256(layer)}`] },
    }),
  );
  const root = mkdtempSync(join(dir, 'archive-'));
  if (change.layout === true) {
    mkdirSync(join(root, 'blobs/sha256'), { recursive: true });
    const put = (bytes: Buffer): { digest: string; size: number } => {
      writeFileSync(join(root, 'blobs/sha256', sha256(bytes)), bytes);
      return { digest: `sha256:${sha256(bytes)}`, size: bytes.length };
    };
    const manifest = put(
      Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          config: put(config),
          layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', ...put(layer) }],
        }),
      ),
    );
    writeFileSync(join(root, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
    writeFileSync(
      join(root, 'index.json'),
      JSON.stringify({
        schemaVersion: 2,
        manifests: [
          {
            mediaType: 'application/vnd.oci.image.manifest.v1+json',
            ...manifest,
            annotations: { 'org.opencontainers.image.ref.name': reference },
          },
        ],
      }),
    );
  } else {
    writeFileSync(join(root, 'layer.tar'), layer);
    writeFileSync(join(root, 'config.json'), config);
    writeFileSync(
      join(root, 'manifest.json'),
      JSON.stringify([
        { Config: 'config.json', RepoTags: reference === null ? null : [reference], Layers: ['layer.tar'] },
      ]),
    );
  }
  execFileSync('tar', ['-C', root, '-cf', join(dir, name), '.']);
  return name;
}

const pod = (image: string, extra = ''): string =>
  `apiVersion: v1
kind: Pod
metadata: { name: p }
spec:
  containers:
    - name: c
      image: ${image}
${extra}`;

async function build(
  images: string[],
  manifest: string,
  out = join(dir, 'out.bundle'),
  from = base,
): Promise<ReturnType<typeof buildApplicationBundle>> {
  writeFileSync(
    join(dir, 'app.yaml'),
    JSON.stringify({
      apiVersion: 'terrarium/v1',
      kind: 'Application',
      name: 'hello',
      version: '2.0.0',
      images,
      manifests: ['m.yaml'],
      ports: [{ name: 'web', port: 80 }],
    }),
  );
  writeFileSync(join(dir, 'm.yaml'), manifest);
  return buildApplicationBundle({ application: join(dir, 'app.yaml'), base: from, out, key, trustedKeys });
}

t.test('an application is added, from both kinds of archive, to both kinds of file', async (t) => {
  for (const layout of [false, true]) {
    for (const name of ['out.bundle', 'out']) {
      const out = join(dir, name);
      t.same(await build([archive('a.tar', 'hello:1', { layout })], pod('hello:1'), out), {
        name: 'hello',
        version: '2.0.0',
        images: ['docker.io/library/hello:1'],
      });
      t.match(
        await verifyPayload(out, { trustedKeys: 'any' }).catch((error: Error) => error.message),
        name === 'out' ? 'first part' : { application: { name: 'hello' } },
        'the core of this test is no ELF file, so only the bundle can be opened',
      );
    }
    const opened = openPayload(join(dir, 'out.bundle'), trustedKeys);
    if (opened === undefined) {
      throw new Error('no payload');
    }
    const assets = payloadAssets(opened);
    t.equal(assets.read('bin/ctr').toString(), 'ctr', 'the base is still there');
    t.match(JSON.parse(assets.read('app/hello/app.json').toString()), {
      ports: [{ name: 'web', port: 80, protocol: 'TCP' }],
    });
    t.equal(assets.read('app/hello/manifests/00-m.yaml').toString(), pod('hello:1'));
    t.same(imageNames(assets), ['docker.io/library/hello:1']);
    const names: string[] = [];
    const { extract } = await import('tar-stream');
    const tar = extract();
    tar.on('entry', (header, stream, next) => {
      names.push(header.name);
      stream.on('end', () => next()).resume();
    });
    for await (const chunk of imageArchive(assets)) {
      tar.write(chunk as Buffer);
    }
    tar.end(Buffer.alloc(0));
    t.equal(names.filter((n) => n.startsWith('blobs/sha256/')).length, 3, 'manifest, configuration, layer');
  }
});

t.test('an application that is added again replaces itself, with its blobs', async (t) => {
  await build([archive('a.tar', 'hello:1')], pod('hello:1'));
  const second = join(dir, 'second.bundle');
  await build([archive('b.tar', 'hello:2')], pod('hello:2'), second, join(dir, 'out.bundle'));
  const opened = openPayload(second, trustedKeys);
  if (opened === undefined) {
    throw new Error('no payload');
  }
  t.same(imageNames(payloadAssets(opened)), ['docker.io/library/hello:2']);
  t.equal(opened.index.entries.filter((e) => e.path.startsWith('blobs/')).length, 3);
});

t.test('what would fail on a site without internet is refused', async (t) => {
  const good = archive('good.tar', 'hello:1');
  const cases: [string, string, () => Promise<unknown>][] = [
    ['image-missing', 'a manifest names another image', () => build([good], pod('hello:2'))],
    [
      'image-missing',
      'in an init container',
      () => build([good], `${pod('hello:1')}  initContainers:\n    - { name: i, image: "other:1" }\n`),
    ],
    [
      'image-missing',
      'in an image volume',
      () => build([good], `${pod('hello:1')}  volumes:\n    - { name: v, image: { reference: "other:1" } }\n`),
    ],
    ['image-pull-always', 'pulled always', () => build([good], pod('hello:1', '      imagePullPolicy: Always\n'))],
    ['image-vague', 'latest in a manifest', () => build([good], pod('hello:latest'))],
    ['image-vague', 'no tag in a manifest', () => build([good], pod('registry.example:5000/hello'))],
    ['image-vague', 'latest in an archive', () => build([archive('latest.tar', 'hello:latest')], pod('hello:1'))],
    ['image-vague', 'no tag in an archive', () => build([archive('untagged.tar', 'hello')], pod('hello:1'))],
    ['archive-invalid', 'no name in an archive', () => build([archive('nameless.tar', null)], pod('hello:1'))],
    [
      'archive-invalid',
      'another architecture',
      () => build([archive('arm.tar', 'hello:1', { architecture: 'arm64' })], pod('hello:1')),
    ],
    ['manifest-invalid', 'no Kubernetes object', () => build([good], 'hello: world\n')],
    ['manifest-invalid', 'no YAML', () => build([good], 'a: [1\n')],
    ['application-invalid', 'a missing archive', () => build(['none.tar'], pod('hello:1'))],
  ];
  for (const [code, what, result] of cases) {
    await t.rejects(result(), { code, exitCode: 2 }, what);
  }
  writeFileSync(join(dir, 'truncated.tar'), Buffer.from('not a tar'));
  await t.rejects(build(['truncated.tar'], pod('hello:1')), { code: 'archive-invalid' });
});

t.test(
  'a folder that cannot be written to is named',
  { skip: process.getuid?.() === 0 ? 'root writes everywhere' : false },
  async (t) => {
    const closed = join(dir, 'closed');
    mkdirSync(closed);
    chmodSync(closed, 0o500);
    await t.rejects(build([], pod('hello:1'), join(closed, 'x.bundle')), { code: 'bundle-write' });
  },
);

t.test('references', async (t) => {
  t.equal(normalize('nginx:1'), 'docker.io/library/nginx:1');
  t.equal(normalize('team/nginx:1'), 'docker.io/team/nginx:1');
  t.equal(normalize('localhost/nginx:1'), 'localhost/nginx:1');
  t.equal(normalize('registry.example:5000/nginx:1'), 'registry.example:5000/nginx:1');
  t.equal(vagueness('registry.example:5000/nginx'), 'has no tag');
  t.equal(vagueness(`nginx@sha256:${'a'.repeat(64)}`), undefined);
  t.doesNotThrow(() =>
    checkManifest(
      'm.yaml',
      `${pod('hello:1')}---\n# empty\n---\n${pod('hello:1')}`,
      new Set(['docker.io/library/hello:1']),
    ),
  );
});
