import { isIPv4 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { namesIn, outputOf, textOf } from './read.ts';

export interface AddressFacts {
  address: string;
  prefixLength: number;
  /** Its lease ends: given by DHCP or router advertisement; null where it cannot be told. */
  dynamic: boolean | null;
}

export interface InterfaceFacts {
  name: string;
  mtu: number;
  mac: string;
  addresses: AddressFacts[];
}

export interface RouteFacts {
  /** CIDR */
  destination: string;
  device: string;
}

export interface NetworkFacts {
  interfaces: InterfaceFacts[];
  /** Unicast routes of the main table, both families. */
  routes: RouteFacts[];
  nameservers: string[];
  searchDomains: string[];
  /** Whether there is an /etc/hosts. */
  hostsFile: boolean;
  /** Addresses that /etc/hosts gives to `localhost`. */
  localhost: string[];
  /**
   * Where names are looked up, in this order: `files`, `dns`, `resolve` …; empty where /etc/nsswitch.conf does not say.
   */
  nameSources: string[];
}

export async function gatherNetwork(): Promise<NetworkFacts> {
  const [devices, four, six, resolv, hosts, nsswitch, leases] = await Promise.all([
    namesIn('/sys/class/net'),
    textOf('/proc/net/route'),
    textOf('/proc/net/ipv6_route'),
    textOf('/etc/resolv.conf'),
    textOf('/etc/hosts'),
    textOf('/etc/nsswitch.conf'),
    dynamicAddresses(),
  ]);
  const addresses = networkInterfaces();
  const interfaces = await Promise.all(
    devices.map(async (name): Promise<InterfaceFacts> => {
      const [mtu, mac] = await Promise.all([
        textOf(`/sys/class/net/${name}/mtu`),
        textOf(`/sys/class/net/${name}/address`),
      ]);
      const own = (addresses[name] ?? []).map((a) => ({
        address: a.address,
        prefixLength: Number(a.cidr?.split('/')[1] ?? 0),
        dynamic: leases?.get(a.address) ?? null,
      }));
      return { name, mtu: Number(mtu?.trim() ?? 0), mac: mac?.trim() ?? '', addresses: own };
    }),
  );
  const words = (key: string): string[][] =>
    [...(resolv ?? '').matchAll(new RegExp(`^\\s*${key}\\s+(.+)$`, 'gm'))].map((m) => (m[1] ?? '').trim().split(/\s+/));
  return {
    interfaces,
    routes: [...ipv4Routes(four ?? ''), ...ipv6Routes(six ?? '')],
    nameservers: words('nameserver').flatMap((w) => w.slice(0, 1)),
    searchDomains: words('search').at(-1) ?? words('domain').at(-1) ?? [],
    hostsFile: hosts !== undefined,
    localhost: (hosts ?? '')
      .split('\n')
      .map((l) => l.replace(/#.*/, '').trim().split(/\s+/))
      .filter((w) => w.slice(1).includes('localhost'))
      .map((w) => w[0] ?? ''),
    nameSources: nameSources(nsswitch ?? ''),
  };
}

/** @param text of nsswitch.conf: `hosts: files mdns4_minimal [NOTFOUND=return] dns` */
export function nameSources(text: string): string[] {
  const line = /^[ \t]*hosts:(.*)$/m.exec(text)?.[1] ?? '';
  return line
    .replace(/#.*/, '')
    .replaceAll(/\[[^\]]*\]/g, ' ')
    .split(/\s+/)
    .filter((w) => w !== '');
}

/** Only `ip` tells which addresses have a lease; undefined without it. */
async function dynamicAddresses(): Promise<Map<string, boolean> | undefined> {
  const text = await outputOf('ip', ['-j', 'addr']);
  if (text === undefined) {
    return undefined;
  }
  const list = JSON.parse(text) as { addr_info?: { local?: string; dynamic?: boolean }[] }[];
  return new Map(
    list.flatMap((d) =>
      (d.addr_info ?? []).flatMap((a) => (a.local === undefined ? [] : [[a.local, a.dynamic === true] as const])),
    ),
  );
}

/** @param text of /proc/net/route: hexadecimal, in the host's (little-endian) order. */
export function ipv4Routes(text: string): RouteFacts[] {
  const dotted = (hex: string): string => [6, 4, 2, 0].map((i) => parseInt(hex.slice(i, i + 2), 16)).join('.');
  return (
    text
      .split('\n')
      .slice(1)
      .map((l) => l.split('\t'))
      // `*`: an unreachable or blackhole route, which leads nowhere.
      .filter((f) => f.length > 7 && f[0] !== '*')
      .map((f) => ({ destination: `${dotted(f[1] ?? '')}/${bits(dotted(f[7] ?? ''))}`, device: f[0] ?? '' }))
  );
}

function bits(mask: string): number {
  return mask.split('.').reduce((sum, part) => sum + Number(part).toString(2).replaceAll('0', '').length, 0);
}

/** @param text of /proc/net/ipv6_route; local, multicast and link-local entries are left out. */
export function ipv6Routes(text: string): RouteFacts[] {
  return text
    .split('\n')
    .map((l) => l.trim().split(/\s+/))
    .filter((f) => f.length >= 10 && f[9] !== 'lo' && !/^(fe80|ff00)/.test(f[0] ?? ''))
    .map((f) => ({
      destination: `${(f[0] ?? '').replaceAll(/(.{4})(?=.)/g, '$1:')}/${parseInt(f[1] ?? '0', 16)}`,
      device: f[9] ?? '',
    }))
    .filter((r) => !r.destination.endsWith('/128'));
}

/** The interface that holds an address. */
export function interfaceOf(network: NetworkFacts, address: string): InterfaceFacts | undefined {
  const same = isIPv4(address) ? (a: string) => a === address : (a: string) => canonical(a) === canonical(address);
  return network.interfaces.find((i) => i.addresses.some((a) => same(a.address)));
}

function canonical(address: string): string {
  return URL.canParse(`http://[${address}]/`) ? new URL(`http://[${address}]/`).hostname : address;
}
