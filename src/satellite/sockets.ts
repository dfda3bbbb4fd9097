import { readdirSync, readlinkSync } from 'node:fs';
import { SocketAddress } from 'node:net';
import { join } from 'node:path';
import { readMaybe } from './procfs.ts';

/** include/net/tcp_states.h of the kernel, by number. */
const TCP_STATES = [
  '',
  'ESTABLISHED',
  'SYN_SENT',
  'SYN_RECV',
  'FIN_WAIT1',
  'FIN_WAIT2',
  'TIME_WAIT',
  'CLOSE',
  'CLOSE_WAIT',
  'LAST_ACK',
  'LISTEN',
  'CLOSING',
  'NEW_SYN_RECV',
];
const TCP_ESTABLISHED = 1;

/** include/uapi/linux/net.h: socket_state; and the flag of a socket that listens. */
const UNIX_STATES = ['FREE', 'UNCONNECTED', 'CONNECTING', 'CONNECTED', 'DISCONNECTING'];
const SO_ACCEPTCON = 0x10000;

/** Descriptors looked at while owners are sought. */
const MAX_DESCRIPTORS = 500_000;

export interface InetSocket {
  protocol: 'tcp' | 'tcp6' | 'udp' | 'udp6';
  state: string;
  local_address: string;
  local_port: number;
  remote_address: string | null;
  remote_port: number | null;
  uid: number;
  send_queue_bytes: number;
  receive_queue_bytes: number;
  inode: number;
}

/** `0100007F` or 32 digits: the address in memory, printed word by word in the machine's (little-endian) order. */
export function parseAddress(hex: string): string {
  const bytes = Buffer.from(hex, 'hex');
  for (let word = 0; word < bytes.length; word += 4) {
    bytes.subarray(word, word + 4).reverse();
  }
  if (bytes.length === 4) {
    return bytes.join('.');
  }
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16));
  return new SocketAddress({ family: 'ipv6', address: groups.join(':') }).address;
}

/**
 * Lines of /proc/net/{tcp,tcp6,udp,udp6}, see proc_net_tcp.txt of the kernel: `sl local remote st tx:rx tr:when
 * retrnsmt uid timeout inode …`
 */
export function* inetSockets(proc: string, protocol: InetSocket['protocol']): Generator<InetSocket> {
  const isTcp = protocol.startsWith('tcp');
  for (const line of (readMaybe(proc, 'net', protocol) ?? '').split('\n').slice(1)) {
    const [, local, remote, st, queues, , , uid, , inode] = line.trim().split(/\s+/);
    if (local === undefined || remote === undefined || inode === undefined) {
      continue;
    }
    const [localAddress = '', localPort = ''] = local.split(':');
    const [remoteAddress = '', remotePort = ''] = remote.split(':');
    const [send = '', receive = ''] = (queues ?? '').split(':');
    const state = Number.parseInt(st ?? '', 16);
    const hasPeer = Number.parseInt(remotePort, 16) !== 0;
    yield {
      protocol,
      state: isTcp || state === TCP_ESTABLISHED ? (TCP_STATES[state] ?? String(state)) : 'UNCONNECTED',
      local_address: parseAddress(localAddress),
      local_port: Number.parseInt(localPort, 16),
      remote_address: hasPeer ? parseAddress(remoteAddress) : null,
      remote_port: hasPeer ? Number.parseInt(remotePort, 16) : null,
      uid: Number(uid),
      send_queue_bytes: Number.parseInt(send, 16),
      receive_queue_bytes: Number.parseInt(receive, 16),
      inode: Number(inode),
    };
  }
}

/** Lines of /proc/net/unix: `Num RefCount Protocol Flags Type St Inode Path` */
export function* unixSockets(proc: string): Generator<{ state: string; path: string | null; inode: number }> {
  for (const line of (readMaybe(proc, 'net/unix') ?? '').split('\n').slice(1)) {
    const match = /^\S+ \S+ \S+ ([0-9A-F]+) \S+ ([0-9A-F]+)\s+(\d+)(?: (.*))?$/.exec(line);
    if (match === null) {
      continue;
    }
    const [, flags = '', st = '', inode, path] = match;
    const listens = (Number.parseInt(flags, 16) & SO_ACCEPTCON) !== 0;
    yield {
      state: listens ? 'LISTEN' : (UNIX_STATES[Number.parseInt(st, 16)] ?? st),
      path: path ?? null,
      inode: Number(inode),
    };
  }
}

/** Process of each socket by its inode, as far as this process may look into the others. */
export function socketOwners(proc: string): Map<number, number> {
  const owners = new Map<number, number>();
  let left = MAX_DESCRIPTORS;
  const pids = readdirSync(proc)
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
  for (const pid of pids) {
    const folder = join(proc, String(pid), 'fd');
    let descriptors: string[];
    try {
      descriptors = readdirSync(folder);
    } catch {
      continue;
    }
    for (const descriptor of descriptors) {
      if (left-- <= 0) {
        return owners;
      }
      let target: string;
      try {
        target = readlinkSync(`${folder}/${descriptor}`);
      } catch {
        continue;
      }
      if (!target.startsWith('socket:[')) {
        continue;
      }
      const inode = Number(target.slice(8, -1));
      if (!owners.has(inode)) {
        owners.set(inode, pid);
      }
    }
  }
  return owners;
}
