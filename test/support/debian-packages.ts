import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { cachedFolder, keyOf } from '../../installer/bundle/cache.ts';

const APT = ['-q', '-o', 'Acquire::Retries=5', '-o', 'APT::Sandbox::User=root'];

/** A package of Debian's as a file, downloaded once into the build's cache. @throws Error with what apt-get said */
async function debianPackage(name: string): Promise<string> {
  const dir = await cachedFolder('test-debs', name, keyOf('deb-1', name), async (out) => {
    const download = () => execa('apt-get', ['download', ...APT, name], { cwd: out, reject: false, all: true });
    let done = await download();
    if (done.exitCode !== 0) {
      // A new machine's index is empty, an old one names versions that mirrors have dropped.
      await execa('apt-get', ['update', ...APT], { reject: false });
      done = await download();
    }
    if (done.exitCode !== 0) {
      throw new Error(`apt-get download ${name} failed:\n${done.all}`);
    }
  });
  return join(dir, readdirSync(dir).find((file) => file.endsWith('.deb')) ?? '');
}

/** Unpacks packages of Debian's into a folder, without running their scripts. @throws Error with what apt-get said */
export async function unpackDebian(dir: string, ...names: string[]): Promise<void> {
  mkdirSync(dir, { recursive: true });
  for (const name of names) {
    execFileSync('dpkg-deb', ['-x', await debianPackage(name), dir]);
  }
}
