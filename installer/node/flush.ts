import { existsSync, statSync } from 'node:fs';
import { run } from './run.ts';

/**
 * Writes out the file systems that hold these paths. Programs that we drive (kubeadm, containerd's unpacking, the
 * kubelet) do not fsync what they write: without this a power cut soon after a step leaves empty files behind a step
 * that counts as done.
 */
export async function flush(...paths: string[]): Promise<void> {
  const devices = new Map<number, string>();
  for (const path of paths) {
    if (existsSync(path)) {
      devices.set(statSync(path).dev, path);
    }
  }
  for (const path of devices.values()) {
    await run(['sync', '-f', path]);
  }
}
