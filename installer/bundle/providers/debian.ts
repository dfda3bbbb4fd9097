import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { execa } from 'execa';
import { Failure } from '../../../src/errors.ts';
import { cachedFolder, hashOwnFile, keyOf } from '../cache.ts';
import type { DebianPart, ObtainedPart } from '../components.ts';
import { say } from '../progress.ts';

/** Versions of installed Debian packages. @throws Failure `debian-package-missing`. */
export async function installedVersions(packages: string[]): Promise<Record<string, string>> {
  const versions: Record<string, string> = {};
  for (const name of packages) {
    const { stdout, exitCode } = await execa('dpkg-query', ['-W', '-f', '${db:Status-Status} ${Version}', name], {
      reject: false,
    });
    if (exitCode !== 0 || !stdout.startsWith('installed ')) {
      throw new Failure('debian-package-missing', `The Debian package ${name} is not installed.`, {
        remedy: `Run as root: apt-get install --no-install-recommends ${name}`,
      });
    }
    versions[name] = stdout.split(' ')[1] ?? '';
  }
  return versions;
}

/** The versions that apt would install now, from its signed index. @throws Failure `debian-package-unknown`. */
export async function candidateVersions(packages: string[]): Promise<Record<string, string>> {
  const found = await policy(packages);
  const complete = packages.every((name) => found[name] !== undefined);
  const versions = complete || !(await updateIndex()) ? found : await policy(packages);
  for (const name of packages) {
    if (versions[name] === undefined) {
      throw new Failure('debian-package-unknown', `apt knows no package ${name}.`, {
        remedy: 'Run as root: apt-get update',
      });
    }
  }
  return versions;
}

async function policy(packages: string[]): Promise<Record<string, string>> {
  const { stdout } = await execa('apt-cache', ['policy', ...packages], { env: { LC_ALL: 'C' } });
  const found: Record<string, string> = {};
  let current = '';
  for (const line of stdout.split('\n')) {
    if (/^\S+:$/.test(line)) {
      current = line.slice(0, -1);
    }
    const candidate = /^ {2}Candidate: (\S+)/.exec(line)?.[1];
    if (candidate !== undefined && candidate !== '(none)') {
      found[current] = candidate;
    }
  }
  return found;
}

/**
 * A new machine's index is empty, an old one names versions that mirrors have dropped. @returns whether it could be
 * renewed.
 */
async function updateIndex(): Promise<boolean> {
  if (process.getuid?.() !== 0) {
    return false;
  }
  say('apt-get update');
  return (await execa('apt-get', ['update', '-q'], { reject: false })).exitCode === 0;
}

/**
 * Files out of Debian packages. `apt-get download` checks each package against the hashes of apt's index, whose
 * signature apt checks.
 * @throws Failure `debian-suite`, `debian-package-unknown`, `debian-download-failed`, `debian-file-missing`.
 */
export async function obtainDebian(part: DebianPart): Promise<ObtainedPart> {
  const suite = /^VERSION_CODENAME=(.*)$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1];
  if (suite !== part.suite) {
    throw new Failure(
      'debian-suite',
      `The part ${part.name} comes from Debian ${part.suite}, but this machine is ${suite ?? 'no Debian'}.`,
      { remedy: `Build on Debian ${part.suite}.` },
    );
  }
  try {
    return await obtainVersions(part, await candidateVersions(part.packages));
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== 'debian-download-failed' || !(await updateIndex())) {
      throw error;
    }
    return await obtainVersions(part, await candidateVersions(part.packages));
  }
}

async function obtainVersions(part: DebianPart, versions: Record<string, string>): Promise<ObtainedPart> {
  const dir = await cachedFolder('debian', part.name, keyOf('debian-1', versions, part.files), async (out) => {
    say(`fetching ${part.packages.map((p) => `${p} ${versions[p]}`).join(', ')} from Debian ${part.suite}`);
    const unpacked = await unpackPackages(part.packages.map((p) => `${p}=${versions[p]}`));
    try {
      for (const file of part.files) {
        const source = join(unpacked, file);
        if (!existsSync(source)) {
          throw new Failure('debian-file-missing', `None of ${part.packages.join(', ')} has the file /${file}.`);
        }
        const real = realpathSync(source);
        if (relative(unpacked, real).startsWith('..')) {
          throw new Failure('debian-file-missing', `/${file} is a link to outside of its packages.`);
        }
        mkdirSync(dirname(join(out, file)), { recursive: true });
        copyFileSync(real, join(out, file));
      }
    } finally {
      rmSync(dirname(unpacked), { recursive: true, force: true });
    }
  });
  const files: ObtainedPart['files'] = {};
  for (const file of part.files) {
    files[file] = { path: join(dir, file), sha256: await hashOwnFile(join(dir, file)) };
  }
  return {
    name: part.name,
    version: part.packages.map((p) => versions[p]).join(', '),
    licence: part.licence,
    provider: 'debian',
    origin: `Debian ${part.suite}: ${part.packages.join(', ')}`,
    inputs: versions,
    files,
  };
}

/**
 * Downloads packages (`name=version`) and unpacks them, without running their scripts, into a temporary folder that the
 * caller removes.
 */
async function unpackPackages(packages: string[]): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), 'terrarium-debian-'));
  const debs = join(dir, 'debs');
  const root = join(dir, 'root');
  mkdirSync(debs);
  mkdirSync(root);
  const result = await execa(
    'apt-get',
    ['download', '-o', 'APT::Sandbox::User=root', '-o', 'Acquire::Retries=3', ...packages],
    { cwd: debs, reject: false, all: true },
  );
  if (result.exitCode !== 0) {
    throw new Failure(
      'debian-download-failed',
      `apt-get download ${packages.join(' ')} failed: ${String(result.all).trim().split('\n').at(-1)}`,
      { remedy: 'Run as root: apt-get update' },
    );
  }
  for (const deb of readdirSync(debs)) {
    await execa('dpkg-deb', ['-x', join(debs, deb), root]);
  }
  rmSync(debs, { recursive: true });
  return root;
}
