import { readFileSync } from 'node:fs';
import type { RuntimeTraits } from './containerd-config.ts';

/** capability(7): CAP_SYS_RESOURCE is bit 24. */
const CAP_SYS_RESOURCE = 24n;

/** What this machine is like, read from the kernel. */
export function hostTraits(
  mounts = readFileSync('/proc/self/mounts', 'utf8'),
  status = readFileSync('/proc/self/status', 'utf8'),
): RuntimeTraits {
  const bounding = /^CapBnd:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? '0';
  return {
    // Unified means that /sys/fs/cgroup itself is cgroup2; anything else is what the kubelet calls v1.
    cgroupV1: !mounts
      .split('\n')
      .some((line) => line.split(' ')[1] === '/sys/fs/cgroup' && line.split(' ')[2] === 'cgroup2'),
    restrictOomScoreAdj: ((BigInt(`0x${bounding}`) >> CAP_SYS_RESOURCE) & 1n) === 0n,
  };
}
