import { EXIT, Failure } from '../../src/errors.ts';
import { hostInterface } from './names.ts';

/** What `lab up` was asked for. */
export interface LabOptions {
  /** 1 to 5 machines. */
  nodes: number;
  /** Absolute path of the lab's directory. */
  dir: string;
  /** Size of each machine's disk, GiB. */
  diskGiB: number;
  /** MTU of every interface in the lab, bytes. */
  mtu: number | undefined;
  /** The interfaces say 1500, frames with more than so many bytes of IP packet vanish. */
  blackHole: number | undefined;
  route: boolean;
  dns: boolean;
  ipv6Only: boolean;
  /** Octal, `077`; what logins and sudo of the machines get. */
  umask: string | undefined;
  /** Capitals in host names. */
  hostnameCase: boolean;
}

export interface MachinePlan {
  /** The machine's host name, perhaps with capitals. */
  name: string;
  /** 1 … 5 */
  index: number;
  mac: string;
  ipv4: string | undefined;
  ipv6: string;
  /** The address that cluster.yaml names. */
  address: string;
  hostInterface: string;
}

export const BRIDGE_IPV4 = '10.77.0.1';
export const BRIDGE_IPV6 = 'fd77::1';
export const IPV4_PREFIX = 24;
export const IPV6_PREFIX = 64;

function bad(message: string, remedy: string): Failure {
  return new Failure('usage', message, { remedy, exitCode: EXIT.usage });
}

/** @throws Failure `usage` where a number is out of range or two options contradict each other. */
export function checkOptions(options: LabOptions): void {
  const { nodes, mtu, blackHole, diskGiB, ipv6Only, umask, dir } = options;
  if (!Number.isInteger(nodes) || nodes < 1 || nodes > 5) {
    throw bad(`A lab has 1 to 5 machines, not ${nodes}.`, 'Use --nodes 1 to --nodes 5.');
  }
  if (mtu !== undefined && blackHole !== undefined) {
    throw bad('--mtu and --black-hole contradict each other.', 'Use one of them.');
  }
  const smallest = ipv6Only ? 1280 : 576;
  for (const [flag, value] of [
    ['--mtu', mtu],
    ['--black-hole', blackHole],
  ] as const) {
    const largest = flag === '--mtu' ? 9000 : 1499;
    if (value !== undefined && (!Number.isInteger(value) || value < smallest || value > largest)) {
      throw bad(`${flag} takes a number of bytes from ${smallest} to ${largest}.`, `Use for example ${flag} 1400.`);
    }
  }
  if (!Number.isInteger(diskGiB) || diskGiB < 2 || diskGiB > 200) {
    throw bad('--disk takes a number of GiB from 2 to 200.', 'Use for example --disk 20.');
  }
  if (umask !== undefined && !/^0?[0-7]{3}$/.test(umask)) {
    throw bad(`--umask takes three octal digits, not '${umask}'.`, 'Use for example --umask 077.');
  }
  if (!dir.startsWith('/') || /[\s,:]/.test(dir)) {
    throw bad(
      `--dir ${dir} is not an absolute path without spaces, commas and colons.`,
      'Use for example --dir /var/lib/terrarium-lab.',
    );
  }
}

export function machineName(index: number, hostnameCase: boolean): string {
  const letter = String.fromCharCode('a'.charCodeAt(0) + index - 1);
  return hostnameCase ? `Node-${letter.toUpperCase()}` : `node-${letter}`;
}

/** The machines of a lab; the same options always give the same names, MACs and addresses. */
export function planMachines(options: LabOptions): MachinePlan[] {
  return Array.from({ length: options.nodes }, (_, i) => {
    const index = i + 1;
    const ipv4 = options.ipv6Only ? undefined : `10.77.0.${10 + index}`;
    const ipv6 = `fd77::${10 + index}`;
    return {
      name: machineName(index, options.hostnameCase),
      index,
      // Locally administered; the middle spells "trm".
      mac: `02:74:72:6d:00:${index.toString(16).padStart(2, '0')}`,
      ipv4,
      ipv6,
      address: ipv4 ?? ipv6,
      hostInterface: hostInterface(index),
    };
  });
}

export interface Mtus {
  /** What the machine's own interface says. */
  guest: number;
  /** Of the other end, at the bridge. */
  bridge: number;
}

/**
 * A black hole is a bridge end that takes less than the machine's end believes: larger frames vanish in both
 * directions, without ICMP. (Kernels that always allow for a VLAN tag there, as Debian 12's, let 4 bytes more through.)
 */
export function mtus(options: Pick<LabOptions, 'mtu' | 'blackHole'>): Mtus {
  if (options.blackHole !== undefined) {
    return { guest: 1500, bridge: options.blackHole };
  }
  const mtu = options.mtu ?? 1500;
  return { guest: mtu, bridge: mtu };
}

/** The machine that a user means by NAME, in whatever case. @throws Failure `no-such-machine` */
export function findMachine(machines: MachinePlan[], name: string): MachinePlan {
  const found = machines.find((m) => m.name.toLowerCase() === name.toLowerCase());
  if (found !== undefined) {
    return found;
  }
  throw new Failure('no-such-machine', `The lab has no machine named ${name}.`, {
    remedy: `Its machines are ${machines.map((m) => m.name).join(', ')}.`,
    exitCode: EXIT.usage,
  });
}
