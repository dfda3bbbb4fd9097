import { readlink } from 'node:fs/promises';
import { executableOf, unitOf, type Process } from './processes.ts';
import { namesIn, textOf } from './read.ts';

export interface ListenerFacts {
  port: number;
  address: string;
  pid: number | null;
  command: string | null;
  unit: string | null;
  executable: string | null;
}

interface Socket {
  port: number;
  address: string;
  inode: string;
}

const LISTEN = '0A';

/** @param text of /proc/net/tcp or tcp6 */
export function listeningSockets(text: string): Socket[] {
  return text
    .split('\n')
    .slice(1)
    .map((l) => l.trim().split(/\s+/))
    .filter((f) => f[3] === LISTEN)
    .map((f) => {
      const [hex = '', port = '0'] = (f[1] ?? '').split(':');
      return { port: parseInt(port, 16), address: addressOf(hex), inode: f[9] ?? '' };
    });
}

/** Each group of 8 digits is a 32-bit word in little-endian order. */
function addressOf(hex: string): string {
  const bytes =
    hex.match(/.{8}/g)?.flatMap((word) => [6, 4, 2, 0].map((i) => parseInt(word.slice(i, i + 2), 16))) ?? [];
  if (bytes.length === 4) {
    return bytes.join('.');
  }
  if (bytes.every((b) => b === 0)) {
    return '::';
  }
  const groups = Array.from({ length: 8 }, (_, i) =>
    (((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0)).toString(16),
  );
  const text = new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1);
  return text.startsWith('::ffff:') ? bytes.slice(12).join('.') : text;
}

/**
 * Who listens on the given TCP ports. Looking for a socket's process costs a walk through /proc, done only where one is
 * found.
 */
export async function gatherListeners(ports: number[], processes: Process[]): Promise<ListenerFacts[]> {
  const [four, six] = await Promise.all([textOf('/proc/net/tcp'), textOf('/proc/net/tcp6')]);
  const sockets = [...listeningSockets(four ?? ''), ...listeningSockets(six ?? '')].filter((s) =>
    ports.includes(s.port),
  );
  if (sockets.length === 0) {
    return [];
  }
  const wanted = new Map(sockets.map((s) => [`socket:[${s.inode}]`, s]));
  const holders = new Map<Socket, Process>();
  await Promise.all(
    processes.map(async (process) => {
      for (const fd of await namesIn(`/proc/${process.pid}/fd`)) {
        const target = await readlink(`/proc/${process.pid}/fd/${fd}`).catch(() => '');
        const socket = wanted.get(target);
        if (socket !== undefined && !holders.has(socket)) {
          holders.set(socket, process);
        }
      }
    }),
  );
  return await Promise.all(
    sockets.map(async (s): Promise<ListenerFacts> => {
      const holder = holders.get(s);
      return {
        port: s.port,
        address: s.address,
        pid: holder?.pid ?? null,
        command: holder === undefined ? null : holder.name,
        unit: holder === undefined ? null : await unitOf(holder.pid),
        executable: holder === undefined ? null : await executableOf(holder.pid),
      };
    }),
  );
}
