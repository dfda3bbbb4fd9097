import type { HostCheck } from '../check.ts';
import { interfaceOf } from '../facts/network.ts';

export const check: HostCheck = {
  code: 'address-lease',
  title: 'the address stays',
  scope: 'host',
  operations: ['install', 'join'],
  judge({ address, facts }) {
    const at = interfaceOf(facts.network, address);
    if (at?.addresses.some((a) => a.address === address && a.dynamic === true) !== true) {
      return [];
    }
    return [
      {
        severity: 'warn',
        message: `The address ${address} of ${at.name} is leased (DHCP): the node is lost when it gets another.`,
        remedy: 'Make it static, or reserve it in the DHCP server.',
      },
    ];
  },
};
