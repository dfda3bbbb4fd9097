import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { VERSION } from '../../src/version.ts';

t.setTimeout(300_000);
const executable = join(import.meta.dirname, '../../dist/terrarium');
if (!existsSync(executable)) {
  t.bailout('dist/ is not there: run ./build.sh first');
}

t.test(
  'the executable starts in a Debian 12 with nothing but its essential packages',
  { skip: process.getuid?.() === 0 ? false : 'needs root for chroot' },
  async (t) => {
    const cache = join(process.env['TERRARIUM_CACHE'] ?? join(homedir(), '.cache/terrarium'), 'minimal-root');
    const archive = join(cache, 'bookworm.tar');
    if (!existsSync(archive)) {
      mkdirSync(cache, { recursive: true });
      // Packages of priority required and apt, nothing else; the archive alone, unpacked below.
      const work = mkdtempSync(join(tmpdir(), 'minimal-'));
      execFileSync('debootstrap', ['--variant=minbase', 'bookworm', work], { stdio: ['ignore', 'ignore', 'inherit'] });
      execFileSync('tar', ['-C', work, '-cf', `${archive}.new`, '.']);
      execFileSync('mv', [`${archive}.new`, archive]);
      rmSync(work, { recursive: true });
    }
    const root = mkdtempSync(join(tmpdir(), 'minimal-root-'));
    t.teardown(() => rmSync(root, { recursive: true }));
    execFileSync('tar', ['-C', root, '-xf', archive]);
    copyFileSync(executable, join(root, 'terrarium'));
    const run = (...args: string[]) => spawnSync('chroot', [root, '/terrarium', ...args], { encoding: 'utf8' });
    t.match(run('--version'), { status: 0, stdout: `terrarium ${VERSION}\n`, stderr: '' });
    t.match(run('bundle', 'inspect'), { status: 0, stdout: /Kubernetes 1\.\d+\.\d+/ });
  },
);
