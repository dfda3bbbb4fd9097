import { readdirSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { readMaybe, readNumber } from '../procfs.ts';
import type { LiveTable } from '../table.ts';

export const table: LiveTable = {
  kind: 'live',
  name: 'interfaces',
  description: 'Network interfaces, one row each',
  columns: [
    { name: 'name', type: 'text', description: 'name of the interface' },
    { name: 'mac', type: 'text', description: 'hardware address' },
    { name: 'mtu', type: 'integer', description: 'largest packet in bytes' },
    { name: 'state', type: 'text', description: 'up, down, or unknown (loopback, tunnels)' },
    {
      name: 'addresses',
      type: 'text',
      description: 'IP addresses with prefix length, separated by spaces; empty without any',
    },
    { name: 'rx_bytes', type: 'integer', description: 'bytes received since the interface exists' },
    { name: 'tx_bytes', type: 'integer', description: 'bytes sent since the interface exists' },
    { name: 'rx_errors', type: 'integer', description: 'packets received with an error' },
    { name: 'tx_errors', type: 'integer', description: 'packets that could not be sent' },
  ],
  *rows({ sys }) {
    const folder = join(sys, 'class/net');
    const addresses = networkInterfaces();
    for (const name of readdirSync(folder).sort()) {
      const mtu = readNumber(folder, name, 'mtu');
      // /sys/class/net also holds files such as bonding_masters.
      if (mtu === null) {
        continue;
      }
      yield {
        name,
        mac: readMaybe(folder, name, 'address')?.trim() ?? null,
        mtu,
        state: readMaybe(folder, name, 'operstate')?.trim() ?? null,
        addresses: (addresses[name] ?? []).map((a) => a.cidr ?? a.address).join(' '),
        rx_bytes: readNumber(folder, name, 'statistics/rx_bytes'),
        tx_bytes: readNumber(folder, name, 'statistics/tx_bytes'),
        rx_errors: readNumber(folder, name, 'statistics/rx_errors'),
        tx_errors: readNumber(folder, name, 'statistics/tx_errors'),
      };
    }
  },
};
