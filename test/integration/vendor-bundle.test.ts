import { spawnSync } from 'node:child_process';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import t from 'tap';
import { signingKey } from '../../installer/bundle/sign.ts';
import { assemble, writeBundle } from '../../installer/bundle/write.ts';
import { openInstallSource } from '../../src/cli/install-source.ts';
import { openPayload } from '../../src/payload/open.ts';
import { VERSION } from '../../src/version.ts';
import { pattern } from './support/pattern.ts';

const root = join(import.meta.dirname, '../..');
const terrarium = join(root, 'dist/terrarium');
const base = join(root, `dist/terrarium-${VERSION}.bundle`);
const example = join(root, 'manifests/examples/guestbook');
if (!existsSync(terrarium)) {
  t.bailout('dist/ is not there: run ./build.sh first');
}

const dir = mkdtempSync(join(tmpdir(), 'vendor-'));
t.teardown(() => rmSync(dir, { recursive: true }));
t.setTimeout(300_000);

const { privateKey } = generateKeyPairSync('ed25519');
const env = {
  ...process.env,
  TERRARIUM_SIGNING_KEY: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
  HOME: dir,
};

function run(file: string, ...args: string[]): ReturnType<typeof spawnSync> & { stdout: string; stderr: string } {
  return spawnSync(file, args, { env, encoding: 'utf8', maxBuffer: 1 << 26 });
}

const sha256 = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');

t.test("the example's image is the same bytes each time", async (t) => {
  const files = ['a.tar', 'b.tar'].map((name) => join(dir, name));
  for (const file of files) {
    t.match(run(join(example, 'build-image.sh'), file), { status: 0 });
  }
  t.equal(sha256(files[0] ?? ''), sha256(files[1] ?? ''));
});

const application = join(dir, 'guestbook');
const bundle = join(dir, 'guestbook.bundle');
const executable = join(dir, 'guestbook-installer');

t.test('a vendor builds both forms, signed by a key of its own', async (t) => {
  mkdirSync(application);
  for (const file of ['app.yaml', 'guestbook.yaml']) {
    writeFileSync(join(application, file), readFileSync(join(example, file)));
  }
  writeFileSync(join(application, 'guestbook.tar'), readFileSync(join(dir, 'a.tar')));
  for (const out of [bundle, executable]) {
    t.match(run(terrarium, 'bundle', 'build', join(application, 'app.yaml'), '--base', base, '-o', out), {
      status: 0,
      stdout: /guestbook 1\.0\.0 with terrarium\.local\/examples\/guestbook:1\.0\.0/,
    });
  }
});

t.test('an install from the bundle brings the same executable, byte for byte', async (t) => {
  const key = openPayload(bundle, 'any')?.publicKey ?? '';
  const source = await openInstallSource({ bundle, trustKey: key }, { TMPDIR: dir });
  t.equal(sha256(source.executable), sha256(executable));
  t.strictSame(source.extraKeys, [key], "the machines are told to trust the vendor's key");
  t.match(run(source.executable, '--version'), { status: 0, stdout: VERSION });
  t.match(run(source.executable, 'bundle', 'verify', '--trust-key', key), { status: 0 });
  source.remove();
  t.notOk(existsSync(source.executable));
  t.match(
    await openInstallSource({ bundle: executable, trustKey: key }, { TMPDIR: dir }),
    { executable, extraKeys: [key] },
    'an executable is taken as it is',
  );
  t.strictSame(
    readdirSync(dir).filter((f) => f.startsWith('terrarium-bundle-')),
    [],
    'nothing stays',
  );
});

t.test('what is not trusted, altered or of another version is refused before any machine is asked', async (t) => {
  const key = openPayload(bundle, 'any')?.publicKey ?? '';
  const install = (...args: string[]): ReturnType<typeof run> =>
    run(terrarium, 'install', '--hosts', '127.0.0.9', ...args);
  t.match(install('--bundle', bundle), {
    status: 2,
    stderr: pattern(
      /is signed by the key [0-9a-f]{64}, which is not trusted here\. /,
      /If you know that this key is your vendor's, give it by `--trust-key`/,
    ),
  });
  t.match(install('--trust-key', key), { status: 2, stderr: /--trust-key is given without --bundle/ });
  t.match(install('--bundle', join(dir, 'none.bundle'), '--trust-key', key), {
    status: 2,
    stderr: /none\.bundle cannot be read/,
  });
  const altered = join(dir, 'altered.bundle');
  const bytes = readFileSync(bundle);
  const at = bytes.length >> 1;
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(altered, bytes);
  t.match(install('--bundle', altered, '--trust-key', key), { status: 2, stderr: /was altered or damaged/ });
  const newer = join(dir, 'newer.bundle');
  const packed = zstdCompressSync(Buffer.from('core'));
  const stored = {
    size: packed.length,
    sha256: createHash('sha256').update(packed).digest('hex'),
    frames: [packed.length],
  };
  const head = {
    name: 'terrarium',
    version: '99.0.0',
    kubernetes: '9.9.9',
    developmentKey: false,
    core: { size: 4, sha256: '0'.repeat(64), stored },
  };
  await writeBundle(newer, { bytes: packed }, assemble(head, [], signingKey(env)), 0o644);
  t.match(install('--bundle', newer, '--trust-key', key), {
    status: 2,
    stderr:
      `newer.bundle is of terrarium 99.0.0, and this is terrarium ${VERSION}. Install it with the terrarium that ` +
      'came with it.',
  });
  t.strictSame(
    readdirSync(dir).filter((f) => f.startsWith('terrarium-bundle-')),
    [],
  );
});
