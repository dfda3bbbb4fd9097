import type { HostCheck } from '../check.ts';
import { interfaceOf } from '../facts/network.ts';
import { list } from '../format.ts';

export const check: HostCheck = {
  code: 'address-here',
  title: 'the machine has the address that it was given',
  scope: 'host',
  operations: ['install', 'join'],
  judge({ address, facts }) {
    const at = interfaceOf(facts.network, address);
    if (at !== undefined && at.name !== 'lo') {
      return [];
    }
    const own = facts.network.interfaces
      .filter((i) => i.name !== 'lo')
      .flatMap((i) =>
        i.addresses.filter((a) => !a.address.startsWith('fe80:')).map((a) => `${a.address} on ${i.name}`),
      );
    return [
      {
        severity: 'fail',
        message:
          at === undefined
            ? `No interface has the address ${address}; there are: ${own.length === 0 ? 'none' : list(own)}.`
            : `${address} is a loopback address, by which no other machine can reach this one.`,
        remedy:
          'Set `address:` in cluster.yaml to the one by which the other nodes reach this machine, and ' +
          '`ssh.address` to the one for ssh if that is another.',
      },
    ];
  },
};
