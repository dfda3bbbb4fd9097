import { portUses, type Ports } from './ports.ts';

/**
 * The table of ports as markdown: number, protocol, from, to, why, and the key in cluster.yaml where it can be changed.
 */
export function portsTable(ports: Ports): string {
  const rows = portUses(ports).map(
    (u) =>
      `| ${u.port} | ${u.protocol} | ${u.from === 'self' ? 'the node itself (loopback)' : u.from} | ${u.to} | ` +
      `${u.why} | \`ports.${u.name}\` |`,
  );
  return [
    '| port | protocol | from | to | why | cluster.yaml |',
    '| --- | --- | --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}
