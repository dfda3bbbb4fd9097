import type { Finding, HostCheck } from '../check.ts';
import { gib } from '../format.ts';

/** Below this share of the memory a balloon takes nothing that would be missed. */
const SHARE = 0.01;

export const check: HostCheck = {
  code: 'memory-balloon',
  title: 'the hypervisor leaves the machine its memory',
  scope: 'host',
  operations: ['install', 'join', 'upgrade'],
  judge({ facts }) {
    const { totalBytes, balloonBytes, hostSwapBytes } = facts.memory;
    const found: Finding[] = [];
    const remedy = 'Reserve all of its memory for this virtual machine in the hypervisor, and switch ballooning off.';
    if (balloonBytes !== null && balloonBytes > SHARE * totalBytes) {
      found.push({
        severity: 'warn',
        message: `The hypervisor has taken ${gib(balloonBytes)} of memory back (memory balloon).`,
        remedy,
      });
    }
    if (hostSwapBytes !== null && hostSwapBytes > 0) {
      found.push({
        severity: 'warn',
        message: `The hypervisor has swapped ${gib(hostSwapBytes)} of this machine's memory out to its disk.`,
        remedy,
      });
    }
    return found;
  },
};
