import type { HostCheck } from '../check.ts';
import type { PauseSign } from '../facts/kernel-log.ts';

const RECENT_S = 3600;
const WORDS: Record<PauseSign, string> = {
  restored: 'the machine was restored from a snapshot or cloned',
  resumed: 'the machine was suspended or moved to another host',
  jumped: 'the clock jumped back',
  'clock source': 'the clock source became unreliable, as after a move to another host',
  'stood still': 'a processor stood still, as while a snapshot is taken',
};

export const check: HostCheck = {
  code: 'clock-jumps',
  title: 'the machine has not been paused or moved just now',
  scope: 'host',
  operations: ['install', 'join', 'upgrade'],
  judge({ facts }) {
    const last = facts.kernelLog?.pauses.findLast((p) => p.agoS <= RECENT_S);
    if (last === undefined) {
      return [];
    }
    const minutes = Math.max(1, Math.round(last.agoS / 60));
    return [
      {
        severity: 'warn',
        message:
          `${minutes} ${minutes === 1 ? 'minute' : 'minutes'} ago ${WORDS[last.sign]} ` + `(kernel log: ${last.line}).`,
        remedy:
          'Take no snapshots of the machine and do not move it while it is being changed: the cluster takes a ' +
          'machine that stands still for one that has failed.',
      },
    ];
  },
};
