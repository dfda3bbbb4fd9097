import { isIP, isIPv6 } from 'node:net';
import type { DnsReply } from '../cloud/direct-api.ts';
import { cell } from './table.ts';

/** An address and one name: a satellite tells its addresses itself, and what is printed is put into hosts files. */
function isHostsLine(line: string): boolean {
  const [address = '', ...names] = line.split(' ');
  return isIP(address) !== 0 && names.length === 1 && /^[a-z0-9.-]+$/i.test(names[0] ?? '');
}

/** How the usual resolvers are told of the zone, and lines for machines without one. */
export function dnsText({ zone, port, servers: told, hosts, authority }: DnsReply): string {
  const servers = told.filter((s) => isIP(s.address) !== 0);
  const bracketed = (address: string): string => (isIPv6(address) ? `[${address}]` : address);
  const each = (line: (address: string) => string): string[] => servers.map(({ address }) => `  ${line(address)}`);
  const lines = [
    `${zone} is answered for by ${servers.map((s) => `${cell(s.name)} (${bracketed(s.address)}:${port})`).join(', ')}.`,
    '',
    'Tell your resolver, one of:',
    '  # dnsmasq; it must not drop private addresses',
    ...each((a) => `server=/${zone}/${a}#${port}`),
    `  rebind-domain-ok=/${zone}/`,
    '  # unbound',
    '  server:',
    `    private-domain: "${zone}"`,
    `    domain-insecure: "${zone}"`,
    '  stub-zone:',
    `    name: "${zone}"`,
    ...each((a) => `  stub-addr: ${a}@${port}`),
    '  # systemd-resolved, a file in /etc/systemd/resolved.conf.d',
    '  [Resolve]',
    `  DNS=${servers.map((s) => `${bracketed(s.address)}:${port}`).join(' ')}`,
    `  Domains=~${zone}`,
    '  # BIND; it must not validate the zone: validate-except',
    `  zone "${zone}" { type forward; forward only; forwarders { ` +
      `${servers.map((s) => `${s.address} port ${port};`).join(' ')} }; };`,
    ...(port === 53
      ? [
          '  # or delegate it in the zone above',
          ...servers.map((s, i) => `  ${zone}. NS ns${i + 1}.${zone}.`),
          ...servers.map((s, i) => `  ns${i + 1}.${zone}. ${isIPv6(s.address) ? 'AAAA' : 'A'} ${s.address}`),
        ]
      : []),
    '',
    'Without a resolver of your own, lines for a hosts file as of now:',
    ...hosts.filter(isHostsLine).map((line) => `  ${line}`),
    '',
    authority === null
      ? 'There is no authority of direct queries yet.'
      : 'Browsers have to trust the authority that `terrarium dns --ca` prints.',
  ];
  return `${lines.join('\n')}\n`;
}
