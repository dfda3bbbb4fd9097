import type { Socket } from 'node:net';

/** One API server. */
export interface Backend {
  address: string;
  port: number;
}

export interface Backends {
  /** In the order in which they are to be tried. */
  candidates(): Backend[];
  /** Told of each connection that the balancer has opened, so that those to a dead server can be ended. */
  opened(backend: Backend, socket: Socket): void;
}

interface Entry {
  backend: Backend;
  /** Undefined until it was asked once. */
  healthy: boolean | undefined;
  failures: number;
  sockets: Set<Socket>;
}

export interface BackendPool extends Backends {
  replace(backends: Backend[]): void;
  list(): { backend: Backend; healthy: boolean | undefined; connections: number }[];
  /** Asks every server once; the caller decides how often. */
  check(): Promise<void>;
}

/**
 * A server that does not answer so often in a row is dead: what hangs on it is cut, so that clients reconnect
 * elsewhere.
 */
const DEAD_AFTER = 2;

const key = (b: Backend): string => `${b.address} ${b.port}`;

/**
 * The API servers that there are, with their health. A power cut sends no RST: without the cut here a kubelet would
 * wait up to 45 s (HTTP/2 ping and its timeout) on a machine that is gone.
 * @param own this node's address, whose server is preferred.
 * @param ask resolves true where the server answers that it is ready.
 */
export function backendPool(
  own: string,
  ask: (backend: Backend) => Promise<boolean>,
  log: (line: string) => void,
): BackendPool {
  let entries: Entry[] = [];

  const rank = (e: Entry): number =>
    (e.healthy === false ? 4 : 0) + (e.healthy === undefined ? 2 : 0) + (e.backend.address === own ? 0 : 1);

  async function checkOne(entry: Entry): Promise<void> {
    const ok = await ask(entry.backend);
    entry.failures = ok ? 0 : entry.failures + 1;
    if (ok && entry.healthy !== true) {
      log(`API server ${entry.backend.address} is ready`);
    }
    if (!ok && entry.healthy === true && entry.failures >= DEAD_AFTER) {
      log(`API server ${entry.backend.address} does not answer; its ${entry.sockets.size} connections are ended`);
    }
    if (ok) {
      entry.healthy = true;
    } else if (entry.healthy === undefined || entry.failures >= DEAD_AFTER) {
      entry.healthy = false;
      for (const socket of entry.sockets) {
        socket.destroy();
      }
    }
  }

  return {
    candidates() {
      return shuffle(entries)
        .sort((a, b) => rank(a) - rank(b))
        .map((e) => e.backend);
    },
    opened(backend, socket) {
      const entry = entries.find((e) => key(e.backend) === key(backend));
      entry?.sockets.add(socket);
      socket.once('close', () => entry?.sockets.delete(socket));
    },
    replace(backends) {
      const known = new Map(entries.map((e) => [key(e.backend), e]));
      entries = backends.map(
        (backend) => known.get(key(backend)) ?? { backend, healthy: undefined, failures: 0, sockets: new Set() },
      );
    },
    list: () => entries.map((e) => ({ backend: e.backend, healthy: e.healthy, connections: e.sockets.size })),
    async check() {
      await Promise.all(entries.map((e) => checkOne(e)));
    },
  };
}

function shuffle<T>(items: T[]): T[] {
  return items
    .map((item) => ({ item, order: Math.random() }))
    .sort((a, b) => a.order - b.order)
    .map(({ item }) => item);
}
