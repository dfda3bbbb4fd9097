import { historyTable } from '../table.ts';

export const table = historyTable({
  name: 'interface_history',
  description: 'Traffic of the network interfaces, one row for each interface and sample (every 10 s)',
  columns: [
    { name: 'name', type: 'text', description: 'name of the interface' },
    { name: 'rx_bytes_per_s', type: 'real', description: 'bytes received a second, since the sample before' },
    { name: 'tx_bytes_per_s', type: 'real', description: 'bytes sent a second, since the sample before' },
    { name: 'rx_errors', type: 'integer', description: 'packets received with an error since the sample before' },
    { name: 'tx_errors', type: 'integer', description: 'packets that could not be sent since the sample before' },
  ],
});
