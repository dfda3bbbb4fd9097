import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { zstdCompressSync } from 'node:zlib';
import t from 'tap';
import { bytesEntry } from '../../installer/bundle/entries.ts';
import type { SigningKey } from '../../installer/bundle/sign.ts';
import { unpackRelease } from '../../installer/bundle/unpack.ts';
import { assemble, writeBundle, type NewEntry } from '../../installer/bundle/write.ts';
import { payloadAssets } from '../../src/assets.ts';
import { Failure } from '../../src/errors.ts';
import { FOOTER_SIZE } from '../../src/payload/format.ts';
import { parseTrustKey, rawPublicKey } from '../../src/payload/keys.ts';
import { coreSize, openPayload } from '../../src/payload/open.ts';
import { verifyPayload } from '../../src/payload/verify.ts';

const dir = mkdtempSync(join(tmpdir(), 'payload-'));
t.teardown(() => rmSync(dir, { recursive: true }));

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

function newKey(): SigningKey & { hex: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const raw = rawPublicKey(publicKey);
  return {
    publicKey: raw,
    hex: raw.toString('hex'),
    development: false,
    sign: (bytes) => sign(null, bytes, privateKey),
  };
}

/** The smallest ELF file: a header that says there is nothing else. */
function elf(extra: Buffer): Buffer {
  const header = Buffer.alloc(64 + 56);
  header.write('\x7fELF\x02\x01\x01', 'latin1');
  header.writeBigUInt64LE(64n, 32);
  header.writeUInt16LE(56, 54);
  header.writeUInt16LE(1, 56);
  header.writeUInt16LE(64, 58);
  header.writeBigUInt64LE(BigInt(header.length), 64 + 8);
  header.writeBigUInt64LE(BigInt(extra.length), 64 + 32);
  return Buffer.concat([header, extra]);
}

const key = newKey();
const core = elf(Buffer.from('the code'.repeat(100)));
const halves = [core.subarray(0, 300), core.subarray(300)].map((b) => zstdCompressSync(b));
const compressed = Buffer.concat(halves);
const kube = Buffer.from('a program '.repeat(5000));
const tar = Buffer.concat([Buffer.alloc(512, 1), kube, Buffer.alloc(1024)]);
const layer = zstdCompressSync(tar);
const before = Buffer.alloc(512, 7);
const coreTar = Buffer.concat([before, core, Buffer.alloc(1024)]);

function entries(): NewEntry[] {
  const blob = `blobs/sha256/${sha256(layer)}`;
  return [
    bytesEntry('bin/ctr', Buffer.from('ctr '.repeat(2000)), 0o755),
    bytesEntry('cni/loopback', Buffer.from('loopback'), 0o755),
    bytesEntry('images.json', Buffer.from('[]')),
    {
      entry: {
        path: blob,
        size: layer.length,
        sha256: sha256(layer),
        mode: 0o644,
        stored: { size: layer.length, sha256: sha256(layer), compression: 'none' },
      },
      source: { bytes: layer },
    },
    {
      entry: {
        path: 'bin/kube',
        size: kube.length,
        sha256: sha256(kube),
        mode: 0o755,
        inside: { path: blob, offset: 512, compression: 'zstd' },
      },
    },
    {
      entry: {
        path: 'blobs/core',
        size: coreTar.length,
        sha256: sha256(coreTar),
        mode: 0o644,
        core: { before: before.toString('base64'), after: 1024 },
      },
    },
  ];
}

function payload(list: NewEntry[] = entries(), signer: SigningKey = key) {
  const stored = { size: compressed.length, sha256: sha256(compressed), frames: halves.map((h) => h.length) };
  return assemble(
    {
      name: 'terrarium',
      version: '1.2.3',
      kubernetes: '1.36.3',
      developmentKey: false,
      core: { size: core.length, sha256: sha256(core), stored },
    },
    list,
    signer,
  );
}

const executable = join(dir, 'terrarium');
const bundle = join(dir, 'terrarium.bundle');
await writeBundle(executable, { bytes: core }, payload(), 0o755);
await writeBundle(bundle, { bytes: compressed }, payload(), 0o644);

async function refused(file: string, code: string | string[], trustedKeys = [key.hex]): Promise<boolean> {
  try {
    await verifyPayload(file, { trustedKeys });
    return false;
  } catch (error) {
    if (!(error instanceof Failure)) {
      throw error;
    }
    return [code].flat().includes(error.code) && error.remedy !== undefined;
  }
}

t.test('what was written is verified and read, from both files', async (t) => {
  for (const [file, kind, start] of [
    [executable, 'executable', core.length],
    [bundle, 'bundle', compressed.length],
  ] as const) {
    t.equal((await verifyPayload(file, { trustedKeys: [key.hex] })).version, '1.2.3');
    const opened = openPayload(file, [key.hex]);
    if (opened === undefined) {
      throw new Error('no payload');
    }
    t.match(opened, { kind, start, publicKey: key.hex });
    t.equal(coreSize(file), start);
    const assets = payloadAssets(opened);
    t.equal(assets.read('cni/loopback').toString(), 'loopback');
    t.equal(await text(assets.stream('bin/ctr')), 'ctr '.repeat(2000));
    t.equal(await text(assets.stream('bin/kube')), kube.toString(), 'out of the layer');
    t.equal(
      sha256(Buffer.concat((await assets.stream('blobs/core').toArray()) as Buffer[])),
      sha256(coreTar),
      'made of the core',
    );
    t.throws(() => assets.read('bin/none'), { code: 'asset-missing' });
  }
});

t.test('every byte that is altered is noticed, one at a time', async (t) => {
  const copy = join(dir, 'altered');
  for (const file of [executable, bundle]) {
    const bytes = readFileSync(file);
    const accepted: number[] = [];
    // All of index and footer, and 200 places of the rest.
    const step = Math.max(1, Math.floor(bytes.length / 200));
    for (let at = 0; at < bytes.length; at += at > bytes.length - FOOTER_SIZE - 60 ? 1 : step) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
      writeFileSync(copy, changed);
      if (!(await refused(copy, ['payload-altered', 'payload-untrusted', 'payload-missing', 'payload-version']))) {
        accepted.push(at);
      }
    }
    t.same(accepted, [], file);
  }
});

t.test('a cut or lengthened file is refused', async (t) => {
  for (const file of [executable, bundle]) {
    for (const cut of [1, FOOTER_SIZE, FOOTER_SIZE + 1, 1000]) {
      const copy = join(dir, 'cut');
      copyFileSync(file, copy);
      truncateSync(copy, statSync(file).size - cut);
      t.ok(await refused(copy, 'payload-altered'), `${cut} bytes cut`);
    }
    const longer = join(dir, 'longer');
    writeFileSync(longer, Buffer.concat([readFileSync(file), Buffer.from('x')]));
    t.ok(await refused(longer, 'payload-altered'));
  }
});

t.test('the executable without its payload is no error of openPayload, but nothing to verify', async (t) => {
  const bare = join(dir, 'bare');
  writeFileSync(bare, core);
  t.equal(openPayload(bare, [key.hex]), undefined);
  t.equal(coreSize(bare), core.length);
  t.ok(await refused(bare, 'payload-missing'));
});

t.test('a file swapped together with its hash is refused: the signature is over the hashes', async (t) => {
  const copy = join(dir, 'swapped');
  const honest = payload();
  const swapped = payload(
    entries().map((e) =>
      e.entry.path === 'cni/loopback' ? bytesEntry('cni/loopback', Buffer.from('loopbacK'), 0o755) : e,
    ),
  );
  // The swapped index and entries with the honest signature, all hashes being right.
  const end = Buffer.from(swapped.end);
  honest.end.copy(end, end.length - 64, honest.end.length - 64);
  await writeBundle(copy, { bytes: core }, { sources: swapped.sources, end }, 0o755);
  t.ok(await refused(copy, 'payload-altered'));
});

t.test('another key is refused, unless it is trusted', async (t) => {
  const other = newKey();
  const copy = join(dir, 'other-key');
  await writeBundle(copy, { bytes: core }, payload(entries(), other), 0o755);
  t.ok(await refused(copy, 'payload-untrusted'));
  t.equal((await verifyPayload(copy, { trustedKeys: [key.hex, parseTrustKey(other.hex)] })).version, '1.2.3');
  t.throws(() => parseTrustKey('not a key'), { code: 'key-invalid' });
});

t.test('a path that leads out of the folder is refused even if it is signed', async (t) => {
  const copy = join(dir, 'path');
  for (const path of ['../x', '/etc/passwd', 'bin/../../x', 'bin//x', '.']) {
    await writeBundle(copy, { bytes: core }, payload([bytesEntry(path, Buffer.from('x'))]), 0o755);
    t.ok(await refused(copy, 'payload-altered'), path);
  }
});

t.test('a release is unpacked, once, and completed after an interruption', async (t) => {
  const release = join(dir, 'release');
  const opened = openPayload(executable, [key.hex]);
  if (opened === undefined) {
    throw new Error('no payload');
  }
  const assets = payloadAssets(opened);
  await unpackRelease(assets, release);
  t.equal(readFileSync(join(release, 'bin/kube'), 'utf8'), kube.toString());
  t.equal(statSync(join(release, 'bin/ctr')).mode & 0o777, 0o755);
  t.ok(lstatSync(join(release, 'bin/kubelet')).isSymbolicLink());
  t.equal(readFileSync(join(release, 'bin/kubeadm'), 'utf8'), kube.toString());
  t.equal(readFileSync(join(release, 'cni/loopback'), 'utf8'), 'loopback');
  const first = statSync(join(release, 'bin/ctr')).ino;
  await unpackRelease(assets, release);
  t.equal(statSync(join(release, 'bin/ctr')).ino, first, 'nothing is written twice');
  writeFileSync(join(release, 'bin/ctr'), 'half');
  rmSync(join(release, 'bin/kube'));
  rmSync(join(release, 'bin/kubectl'));
  writeFileSync(join(release, 'bin/kube.tmp'), 'half');
  await unpackRelease(assets, release);
  t.equal(readFileSync(join(release, 'bin/ctr'), 'utf8'), 'ctr '.repeat(2000));
  t.equal(readFileSync(join(release, 'bin/kube'), 'utf8'), kube.toString());
  t.notOk(existsSync(join(release, 'bin/kube.tmp')));
  t.ok(existsSync(join(release, 'bin/kubectl')));
});

t.test('what is damaged on the disk after opening is noticed while it is read', async (t) => {
  const copy = join(dir, 'later');
  copyFileSync(executable, copy);
  const opened = openPayload(copy, [key.hex]);
  if (opened === undefined) {
    throw new Error('no payload');
  }
  const bytes = readFileSync(copy);
  const at = opened.offsets.get(`blobs/sha256/${sha256(layer)}`) ?? 0;
  bytes[at + 20] = (bytes[at + 20] ?? 0) ^ 1;
  writeFileSync(copy, bytes);
  utimesSync(copy, 1, 1);
  const release = join(dir, 'damaged');
  await t.rejects(unpackRelease(payloadAssets(opened), release));
  t.notOk(existsSync(join(release, 'bin/kube')), 'nothing unverified has its name');
});
