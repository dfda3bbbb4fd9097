import { portUses } from '../../cluster/ports.ts';
import type { HostCheck } from '../check.ts';

export const check: HostCheck = {
  code: 'firewall',
  title: 'the firewall is known to let the cluster through',
  scope: 'host',
  operations: ['install', 'join'],
  judge({ role, facts }, context) {
    const { firewalld, ufw, inputChains } = facts.firewall;
    const ports = portUses(context.ports)
      .filter((u) => u.from !== 'self' && (u.to === 'all nodes' || role === 'control-plane'))
      .map((u) => u.port);
    if (firewalld) {
      return [
        {
          severity: 'warn',
          message:
            'firewalld runs; whether it lets the ports through is shown by the connections tried between the machines.',
          remedy:
            `If it does not: \`firewall-cmd --permanent ${ports.map((p) => `--add-port=${p}/tcp`).join(' ')} && ` +
            `firewall-cmd --reload\`.`,
        },
      ];
    }
    if (ufw) {
      return [
        {
          severity: 'warn',
          message:
            'ufw is on; whether it lets the ports through is shown by the connections tried between the machines.',
          remedy: `If it does not: \`ufw allow proto tcp to any port ${ports.join(',')}\`.`,
        },
      ];
    }
    const drops = inputChains.filter((c) => c.policy === 'drop');
    if (drops.length === 0) {
      return [];
    }
    return [
      {
        severity: 'warn',
        message: `nftables drops what it does not know (${drops.map((c) => `${c.table} ${c.chain}`).join(', ')}).`,
        remedy: `Let the ports ${ports.join(', ')} (tcp) through if the connections tried between the machines fail.`,
      },
    ];
  },
};
