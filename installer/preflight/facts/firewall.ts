import type { Process } from './processes.ts';
import { outputOf, textOf } from './read.ts';

export interface FirewallFacts {
  firewalld: boolean;
  ufw: boolean;
  /** nftables base chains that see packets to this machine. */
  inputChains: { table: string; chain: string; policy: string; rules: number }[];
  /** Chains made by other Kubernetes installations: `KUBE-…`, `CNI-…`. */
  kubernetesChains: string[];
  /** Tables of the older iptables that are loaded. */
  legacyTables: string[];
}

interface NftItem {
  chain?: { family: string; table: string; name: string; hook?: string; policy?: string };
  rule?: { family: string; table: string; chain: string };
}

export async function gatherFirewall(processes: Process[]): Promise<FirewallFacts> {
  // Not iptables-save: asking by it loads modules and makes tables.
  const [ufw, ruleset, four, six] = await Promise.all([
    textOf('/etc/ufw/ufw.conf'),
    outputOf('nft', ['-j', 'list', 'ruleset']),
    textOf('/proc/net/ip_tables_names'),
    textOf('/proc/net/ip6_tables_names'),
  ]);
  const items = ruleset === undefined ? [] : ((JSON.parse(ruleset) as { nftables?: NftItem[] }).nftables ?? []);
  return {
    firewalld: processes.some((p) => p.name === 'firewalld'),
    ufw: /^ENABLED=yes/m.test(ufw ?? ''),
    inputChains: inputChains(items),
    kubernetesChains: [
      ...new Set(
        items.flatMap((i) =>
          i.chain !== undefined && /^(KUBE-|CNI-|cali-|CILIUM_|FLANNEL)/.test(i.chain.name) ? [i.chain.name] : [],
        ),
      ),
    ],
    legacyTables: [...new Set([...(four ?? '').split('\n'), ...(six ?? '').split('\n')].filter((n) => n !== ''))],
  };
}

function inputChains(items: NftItem[]): FirewallFacts['inputChains'] {
  return items.flatMap(({ chain }) => {
    if (chain?.hook !== 'input' && chain?.hook !== 'prerouting') {
      return [];
    }
    const rules = items.filter(
      (i) => i.rule?.chain === chain.name && i.rule.table === chain.table && i.rule.family === chain.family,
    ).length;
    return [{ table: `${chain.family} ${chain.table}`, chain: chain.name, policy: chain.policy ?? 'accept', rules }];
  });
}
