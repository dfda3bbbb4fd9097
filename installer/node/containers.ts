import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isErrno } from '../../src/errors.ts';
import { RUN_DIR, type NodePaths } from '../cluster/paths.ts';
import { mountPoints } from './remove.ts';
import { run } from './run.ts';

/**
 * Processes whose executable or command line shows that they belong to our containers: shims of our runtime, and all
 * below them.
 */
function shims(paths: NodePaths): number[] {
  return processes().filter((pid) => {
    const command = commandLine(pid);
    return (
      command.includes('containerd-shim-runc-v2') && command.includes(paths.containerdSocket.replace(/\.sock$/, ''))
    );
  });
}

function processes(): number[] {
  return readdirSync('/proc')
    .filter((n) => /^\d+$/.test(n))
    .map(Number);
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}

function parents(): Map<number, number> {
  const map = new Map<number, number>();
  for (const pid of processes()) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      map.set(pid, Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
    } catch {
      // It has ended meanwhile.
    }
  }
  return map;
}

function descendants(roots: number[]): number[] {
  const byParent = parents();
  const found = new Set(roots);
  for (let grew = true; grew;) {
    grew = false;
    for (const [pid, parent] of byParent) {
      if (found.has(parent) && !found.has(pid)) {
        found.add(pid);
        grew = true;
      }
    }
  }
  return [...found];
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (!isErrno(error, 'ESRCH')) {
      throw error;
    }
  }
}

/**
 * Ends every container of our runtime, politely first, and unmounts what they had mounted; works with containerd dead.
 */
export async function stopContainers(paths: NodePaths, log: (line: string) => void): Promise<void> {
  const roots = shims(paths);
  const all = descendants(roots);
  for (const pid of all) {
    if (!roots.includes(pid)) {
      signal(pid, 'SIGTERM');
    }
  }
  const deadline = Date.now() + 5_000;
  const alive = (): number[] => descendants(shims(paths)).filter((pid) => !shims(paths).includes(pid));
  while (alive().length > 0 && Date.now() < deadline) {
    await sleep(100);
  }
  for (const pid of descendants(shims(paths))) {
    signal(pid, 'SIGKILL');
  }
  if (all.length > 0) {
    log(`ended ${all.length} processes of containers`);
  }
  await sleep(100);
  const ours = [
    `${RUN_DIR}/containerd/`,
    `${paths.containerd}/`,
    '/var/lib/kubelet/pods/',
    '/run/netns/cni-',
    '/var/run/netns/cni-',
  ];
  for (const mount of mountPoints()
    .filter((m) => ours.some((o) => m.startsWith(o)))
    .reverse()) {
    await run(['umount', '-l', mount], { accept: [0, 1, 32] });
  }
}
