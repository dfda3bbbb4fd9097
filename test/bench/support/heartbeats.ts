import type { NatsConnection } from '@nats-io/transport-node';
import { connect } from '@nats-io/transport-node';
import { HEARTBEAT_MS, encode } from '../../../src/bus/frames.ts';
import { busUser, subjects } from '../../../src/bus/subjects.ts';
import { heartbeat } from '../../../src/satellite/heartbeat.ts';
import { createBackoff } from '../../../src/satellite/enrol/backoff.ts';
import { loadTables } from '../../../src/satellite/table.ts';

/**
 * A thousand and more satellites that do nothing but beat, as satellites do: each its own TLS connection by its own certificate, its own
 * heartbeat every 5 s, its own back-off. `silence ID` ends one of them without a goodbye from its heartbeat; its connection stays.
 */
interface Settings {
  server: string;
  ca: string;
  /** One key serves all: making ten thousand would take longer than the measurement. */
  key: string;
  satellites: { id: string; cert: string }[];
}
const chunks: Buffer[] = [];
for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
const { server, ca, key, satellites } = JSON.parse(Buffer.concat(chunks).toString('utf8')) as Settings;
const tables = await loadTables();
const timers = new Map<string, NodeJS.Timeout>();
const CONNECTING_AT_ONCE = 50;

async function start({ id, cert }: Settings['satellites'][number]): Promise<void> {
  const backoff = createBackoff();
  const nc: NatsConnection = await connect({
    // As connectBus does; certificates come from memory instead of files.
    servers: [server], name: busUser.satellite(id), tls: { ca, cert, key, handshakeFirst: true }, ignoreClusterUpdates: true, waitOnFirstConnect: true,
    maxReconnectAttempts: -1, reconnectDelayHandler: backoff.next, pingInterval: 5_000, maxPingOut: 2, timeout: 5_000, ignoreAuthErrorAbort: true, noAsyncTraces: true,
  });
  backoff.reset();
  nc.subscribe(subjects.query(id), { callback: () => undefined });
  nc.subscribe(subjects.credit(id), { callback: () => undefined });
  nc.subscribe(subjects.cancel(id), { callback: () => undefined });
  const message = encode(heartbeat({ id, node: id, tables, directPort: () => undefined, certificateEnds: () => undefined }));
  const beat = (): void => nc.publish(subjects.heartbeat(id), message);
  beat();
  // Ten thousand machines do not beat in step.
  timers.set(id, setTimeout(() => timers.set(id, setInterval(beat, HEARTBEAT_MS)), Math.random() * HEARTBEAT_MS));
  void (async () => {
    for await (const status of nc.status()) {
      if (status.type !== 'reconnect') continue;
      backoff.reset();
      if (timers.has(id)) beat();
    }
  })();
}

let next = 0;
await Promise.all(Array.from({ length: CONNECTING_AT_ONCE }, async () => {
  for (let s = satellites[next++]; s !== undefined; s = satellites[next++]) await start(s);
}));
process.on('message', (message: string) => {
  const [, id = ''] = message.split(' ');
  clearTimeout(timers.get(id));
  timers.delete(id);
  process.send?.('silent');
});
process.send?.('ready');
