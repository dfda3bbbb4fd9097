import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PAUSE_FILE } from './names.ts';

/**
 * `./build.sh demo`: a lab of three machines in .demo/, and the product installed onto them over ssh, all by the built
 * executable.
 */
const root = join(import.meta.dirname, '../..');
const terrarium = join(root, 'dist/terrarium');
const dir = join(root, '.demo');

function run(...args: string[]): number {
  return spawnSync(terrarium, args, { stdio: 'inherit' }).status ?? 1;
}

function labIsUp(): boolean {
  const { stdout } = spawnSync(terrarium, ['lab', 'status', '--json'], { encoding: 'utf8' });
  return (JSON.parse(stdout) as { up: boolean }).up;
}

function demo(): number {
  // Paused by tests that were killed.
  const boot = existsSync(join(dir, PAUSE_FILE)) ? ['resume'] : ['up', '--nodes', '3'];
  if (!labIsUp() && run('lab', ...boot, '--dir', dir) !== 0) {
    return 1;
  }
  return run('install', '-f', join(dir, 'cluster.yaml'));
}

process.exitCode = demo();
