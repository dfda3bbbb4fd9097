import { loadavg, networkInterfaces } from 'node:os';
import type { NatsConnection } from '@nats-io/transport-node';
import { HEARTBEAT_MS, encode, type Heartbeat } from '../bus/frames.ts';
import { subjects } from '../bus/subjects.ts';
import { guarded } from '../guarded.ts';
import { VERSION } from '../version.ts';
import type { Table } from './table.ts';

const startedAt = new Date().toISOString();

/** Addresses by which others may reach this machine: neither loopback nor link-local ones. */
function addresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return [
    ...new Set(
      all
        .filter((a) => !a.internal && !a.address.startsWith('fe80:') && !a.address.startsWith('169.254.'))
        .map((a) => a.address),
    ),
  ].slice(0, 64);
}

export interface Self {
  id: string;
  node: string;
  tables: Table[];
  /** By which others reach this machine; undefined: all that it has. */
  advertise?: string | undefined;
  /** Port of its own HTTPS endpoint, while it answers there. */
  directPort(): number | undefined;
  /** When its certificate ends, milliseconds since 1970; undefined where it cannot be read. */
  certificateEnds(): number | undefined;
}

export function heartbeat({ id, node, tables, advertise, directPort, certificateEnds }: Self): Heartbeat {
  const port = directPort();
  const ends = certificateEnds();
  const [one = 0, five = 0, fifteen = 0] = loadavg();
  return {
    id,
    node,
    version: VERSION,
    addresses: advertise === undefined ? addresses() : [advertise],
    tables: tables.map((t) => ({ name: t.name, columns: t.columns.map((c) => c.name) })),
    load: [one, five, fifteen],
    startedAt,
    ...(port === undefined ? {} : { directPort: port }),
    ...(ends === undefined ? {} : { certificateEnds: ends }),
  };
}

/** Beats now, every 5 s, and at once after each reconnection; returns how to stop it. */
export function startHeartbeat(nc: NatsConnection, self: Self, log: (line: string) => void): () => void {
  // The kernel may not tell the addresses when descriptors run out: the next one says them again.
  const beat = guarded('heartbeat', log, () => nc.publish(subjects.heartbeat(self.id), encode(heartbeat(self))));
  beat();
  const timer = setInterval(beat, HEARTBEAT_MS);
  void (async () => {
    for await (const status of nc.status()) {
      if (status.type === 'reconnect') {
        beat();
      }
    }
  })();
  return () => clearInterval(timer);
}
