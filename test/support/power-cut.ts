import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';

/** Process ids of its children. */
export function childrenOf(pid: number | undefined): number[] {
  return readdirSync('/proc')
    .filter((name) => {
      try {
        return (
          /^\d+$/.test(name) && new RegExp(`^PPid:\\s+${pid}$`, 'm').test(readFileSync(`/proc/${name}/status`, 'utf8'))
        );
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** The whole pod of a cloud at once, as a power cut does it: its nats-server too. */
export async function powerCut(cloud: ChildProcess | undefined): Promise<void> {
  if (cloud === undefined || cloud.exitCode !== null || cloud.signalCode !== null) {
    return;
  }
  for (const pid of [...childrenOf(cloud.pid), cloud.pid ?? 0]) {
    process.kill(pid, 'SIGKILL');
  }
  await once(cloud, 'exit');
}
