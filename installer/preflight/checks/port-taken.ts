import { portUses } from '../../cluster/ports.ts';
import type { HostCheck } from '../check.ts';

export const check: HostCheck = {
  code: 'port-taken',
  title: 'the ports are free',
  scope: 'host',
  operations: ['install', 'join'],
  judge({ role, facts }, context) {
    // Our own programs hold them where an install is taken up again.
    if (facts.own.node !== null) {
      return [];
    }
    const wanted = portUses(context.ports).filter(
      (u) => u.protocol.startsWith('tcp') && (u.to === 'all nodes' || role === 'control-plane'),
    );
    return wanted.flatMap((use) => {
      const holder = facts.listeners.find((l) => l.port === use.port);
      if (
        holder === undefined ||
        holder.executable?.startsWith(`${context.prefix}/`) === true ||
        holder.unit?.startsWith('terrarium-') === true
      ) {
        return [];
      }
      const who =
        holder.pid === null
          ? 'a process that cannot be seen'
          : `${holder.command} (pid ${holder.pid}${holder.unit === null ? '' : `, ${holder.unit}`})`;
      return [
        {
          severity: 'fail' as const,
          message: `Port ${use.port} (${use.why}) is taken by ${who} on ${holder.address}.`,
          remedy:
            'Stop ' +
            `it${holder.unit?.endsWith('.service') === true ? ` (\`systemctl disable --now ${holder.unit}\`)` : ''}, ` +
            `or choose another port by \`ports.${use.name}\` in cluster.yaml.`,
        },
      ];
    });
  },
};
