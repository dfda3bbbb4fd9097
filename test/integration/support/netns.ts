import { execFileSync } from 'node:child_process';
import type { Host } from '../../../installer/hosts/host.ts';
import { openLocal } from '../../../installer/hosts/local.ts';

/**
 * A small network of this machine's own: some network namespaces on one bridge, each with an IPv4 and an IPv6 address.
 * Needs root.
 */
export interface TestNetwork {
  nodes: { name: string; namespace: string; ipv4: string; ipv6: string }[];
  /** A Host whose programs run in that node's namespace. */
  host(index: number, family: 4 | 6): Host;
  /** Rules of a prerouting chain before everything else, replacing earlier ones; none: no rules. */
  rules(index: number, rules: string[]): void;
  remove(): void;
}

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

export function makeNetwork(count: number, mtu = 1500): TestNetwork {
  const id = process.pid.toString(36);
  const bridge = `tb${id}`;
  const hub = `terrarium-test-${id}-hub`;
  const nodes = Array.from({ length: count }, (_, i) => ({
    name: `n${i + 1}`,
    namespace: `terrarium-test-${id}-n${i + 1}`,
    ipv4: `10.98.0.${i + 1}`,
    ipv6: `fd98::${i + 1}`,
  }));
  ip('netns', 'add', hub);
  ip('-n', hub, 'link', 'add', bridge, 'mtu', String(mtu), 'type', 'bridge', 'stp_state', '0');
  ip('-n', hub, 'link', 'set', bridge, 'up');
  for (const [i, node] of nodes.entries()) {
    ip('netns', 'add', node.namespace);
    ip(
      'link',
      'add',
      'eth0',
      'mtu',
      String(mtu),
      'netns',
      node.namespace,
      'type',
      'veth',
      'peer',
      'name',
      `p${i}`,
      'mtu',
      String(mtu),
      'netns',
      hub,
    );
    ip('-n', hub, 'link', 'set', `p${i}`, 'master', bridge, 'up');
    ip('-n', node.namespace, 'link', 'set', 'lo', 'up');
    ip('-n', node.namespace, 'link', 'set', 'eth0', 'up');
    ip('-n', node.namespace, 'addr', 'add', `${node.ipv4}/24`, 'dev', 'eth0');
    ip('-n', node.namespace, 'addr', 'add', `${node.ipv6}/64`, 'dev', 'eth0', 'nodad');
  }
  return {
    nodes,
    host(index, family) {
      const node = nodes[index];
      if (node === undefined) {
        throw new Error('no such node');
      }
      const local = openLocal(node.name, family === 4 ? node.ipv4 : node.ipv6);
      return { ...local, run: (argv, options) => local.run(['ip', 'netns', 'exec', node.namespace, ...argv], options) };
    },
    rules(index, rules) {
      const namespace = nodes[index]?.namespace ?? '';
      const table =
        rules.length === 0
          ? ''
          : `table inet hostile {
 chain c {
 type filter hook prerouting priority -300;
 ${rules.join('\n ')}
 }
}
`;
      execFileSync('ip', ['netns', 'exec', namespace, 'nft', '-f', '-'], {
        input: `flush ruleset\n${table}`,
        stdio: ['pipe', 'ignore', 'inherit'],
      });
    },
    remove() {
      for (const { namespace } of nodes) {
        ip('netns', 'del', namespace);
      }
      ip('netns', 'del', hub);
    },
  };
}
