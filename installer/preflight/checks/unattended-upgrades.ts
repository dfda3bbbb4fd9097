import type { HostCheck } from '../check.ts';

export const check: HostCheck = {
  code: 'unattended-upgrades',
  title: 'no unattended restart in the middle of an operation',
  scope: 'host',
  operations: ['install', 'join', 'upgrade'],
  judge({ facts }) {
    if (!facts.foreign.others.includes('unattended-upgr')) return [];
    return [{ severity: 'warn', message: 'Unattended upgrades are on: the machine may restart by itself.', remedy: 'Set Unattended-Upgrade::Automatic-Reboot to false, or to different hours on each node.' }];
  },
};
