import { setMaxListeners } from 'node:events';
import { connect } from '@nats-io/transport-node';
import { ONE_TRY } from '../../../src/bus/connect.ts';
import { HEARTBEAT_MS, encode } from '../../../src/bus/frames.ts';
import { satelliteIdentity } from '../../../src/bus/identities.ts';
import { busUser, subjects } from '../../../src/bus/subjects.ts';
import { createRequest, signRequest, type KeyPair } from '../../../src/pki/authority.ts';
import { heartbeat } from '../../../src/satellite/heartbeat.ts';
import { createHandover, keepLink } from '../../../src/satellite/link.ts';
import { loadTables } from '../../../src/satellite/table.ts';

/**
 * A thousand and more satellites that do nothing but beat, as those of other machines do: each its own TLS connection
 * by its own certificate, its own heartbeat every 5 s, and the product's own link, which waits and comes back.
 * `connect` starts them; `silence ID` ends the heartbeat of one without a goodbye; its connection stays.
 */
interface Settings {
  /** `host:port` of the bus. */
  server: string;
  authority: KeyPair;
  satellites: string[];
}

/**
 * Handshakes of this process at once. Real satellites have a processor each; so many on one would wait for each other
 * until all were too late.
 */
const HANDSHAKES_AT_ONCE = 16;

const chunks: Buffer[] = [];
for await (const chunk of process.stdin) {
  chunks.push(chunk as Buffer);
}
const { server, authority, satellites } = JSON.parse(Buffer.concat(chunks).toString('utf8')) as Settings;
const tables = await loadTables();
const stop = new AbortController();
setMaxListeners(0, stop.signal);
const silent = new Set<string>();

// One key serves all: making ten thousand would take longer than the measurement.
const { csr, key } = await createRequest('simulated');
const certificates = new Map<string, string>();
for (const id of satellites) {
  certificates.set(id, await signRequest(authority, csr, satelliteIdentity(id), new Date()));
}

const waiting: (() => void)[] = [];
let free = HANDSHAKES_AT_ONCE;
async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  if (free > 0) {
    free -= 1;
  } else {
    await new Promise<void>((resolve) => waiting.push(resolve));
  }
  try {
    return await work();
  } finally {
    const next = waiting.shift();
    if (next === undefined) {
      free += 1;
    } else {
      next();
    }
  }
}

function keep(id: string): void {
  const message = encode(
    heartbeat({ id, node: id, tables, directPort: () => undefined, certificateEnds: () => undefined }),
  );
  void keepLink({
    ways: () => [{ kind: 'tls', address: server }],
    dial: ({ address }, timeout) =>
      inTurn(() =>
        connect({
          ...ONE_TRY,
          timeout,
          servers: address,
          name: busUser.satellite(id),
          tls: { ca: authority.cert, cert: certificates.get(id) ?? '', key, handshakeFirst: true },
        }),
      ),
    serve(nc) {
      for (const subject of [subjects.query(id), subjects.ping(id), subjects.credit(id), subjects.cancel(id)]) {
        nc.subscribe(subject, { callback: () => undefined });
      }
      const beat = (): void => {
        if (!silent.has(id)) {
          nc.publish(subjects.heartbeat(id), message);
        }
      };
      beat();
      const timer = setInterval(beat, HEARTBEAT_MS);
      const stop = (): void => clearInterval(timer);
      return { stop, retire: async () => stop() };
    },
    handover: createHandover(),
    signal: stop.signal,
    log: () => undefined,
  });
}

process.on('message', (message: string) => {
  const [what, id = ''] = message.split(' ');
  if (what === 'connect') {
    for (const sat of satellites) {
      keep(sat);
    }
  } else {
    silent.add(id);
  }
  process.send?.('done');
});
// Whoever measures is gone, however it ended.
process.on('disconnect', () => process.exit(0));
process.send?.('ready');
