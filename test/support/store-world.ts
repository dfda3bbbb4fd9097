import Database from 'better-sqlite3';
import { addonPath } from '../../src/assets.ts';
import type { Store } from '../../src/store/database.ts';
import type { Meta } from '../../src/store/machine/types.ts';
import {
  NotLogged,
  type Announcement,
  type LogInfo,
  type Peers,
  type Pipe,
  type Question,
} from '../../src/store/pipe.ts';
import { KEEP_SNAPSHOTS, type Snapshot, type Storage } from '../../src/store/storage.ts';
import type { Timing } from '../../src/store/timing.ts';
import { atOnce, verifySteps } from '../../src/store/verify.ts';

/**
 * A world for the property test: one virtual clock, one stream, messages that take their time or are lost, machines
 * that crash. Everything is decided by one random generator, and there is no real waiting.
 */
export interface World {
  now(): number;
  random(): number;
  at(delay: number, work: () => void): void;
  /** Runs what is due until `until` says so; false where the clock passed `end` before. */
  run(until: () => boolean, end: number): Promise<boolean>;
}

export function makeWorld(random: () => number): World {
  let now = 1_700_000_000_000;
  let made = 0;
  const events: { at: number; order: number; work: () => void }[] = [];
  // A binary heap: histories have some ten thousand events.
  const before = (a: number, b: number): boolean => {
    const x = events[a] as (typeof events)[number];
    const y = events[b] as (typeof events)[number];
    return x.at < y.at || (x.at === y.at && x.order < y.order);
  };
  const swap = (a: number, b: number): void => {
    [events[a], events[b]] = [events[b] as (typeof events)[number], events[a] as (typeof events)[number]];
  };
  const pop = (): (typeof events)[number] | undefined => {
    if (events.length === 0) {
      return undefined;
    }
    swap(0, events.length - 1);
    const least = events.pop();
    for (let i = 0; ;) {
      let least_ = i;
      for (const child of [2 * i + 1, 2 * i + 2]) {
        if (child < events.length && before(child, least_)) {
          least_ = child;
        }
      }
      if (least_ === i) {
        return least;
      }
      swap(i, least_);
      i = least_;
    }
  };
  return {
    now: () => Math.floor(now),
    random,
    at(delay, work) {
      made += 1;
      events.push({ at: now + delay, order: made, work });
      for (let i = events.length - 1; i > 0;) {
        const parent = (i - 1) >> 1;
        if (!before(i, parent)) {
          return;
        }
        swap(i, parent);
        i = parent;
      }
    },
    async run(until, end) {
      for (;;) {
        await new Promise((resolve) => setImmediate(resolve));
        if (until()) {
          return true;
        }
        if ((events[0]?.at ?? Infinity) > end) {
          return false;
        }
        const next = pop() as (typeof events)[number];
        now = Math.max(now, next.at);
        next.work();
      }
    },
  };
}

/** One life of an instance's process: what it waits for never comes once it is dead. */
export interface Life {
  alive: boolean;
  /** Called at each step; may end this life by throwing. */
  step(name: string): void;
}

export class Crash extends Error {
  override name = 'Crash';
}

export function timingOf(world: World, life: Life): Timing {
  return {
    now: world.now,
    wall: world.now,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted === true) {
          return resolve();
        }
        let over = false;
        const wake = (): void => {
          if (over) {
            return;
          }
          over = true;
          signal?.removeEventListener('abort', wake);
          if (life.alive) {
            resolve();
          }
        };
        signal?.addEventListener('abort', wake);
        world.at(ms, wake);
      }),
    soon: (work) =>
      world.at(0, () => {
        if (life.alive) {
          surviving(work);
        }
      }),
  };
}

/** A crash ends a life, not the test. */
export function surviving(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof Crash)) {
      throw error;
    }
  }
}

/** A node's disk: what outlives its processes. */
export interface Disk {
  database: Buffer | undefined;
  snapshots: { meta: Snapshot; bytes: Buffer }[];
  aside: Buffer | undefined;
  /** An earlier committed state: what is there after the power failed. */
  durable: Buffer | undefined;
  /** The open database. */
  open: Store | undefined;
}

export const emptyDisk = (): Disk => ({
  database: undefined,
  snapshots: [],
  aside: undefined,
  durable: undefined,
  open: undefined,
});

function fromBytes(bytes: Buffer | undefined): Store {
  return bytes === undefined
    ? new Database(':memory:', { nativeBinding: addonPath() })
    : new Database(bytes, { nativeBinding: addonPath() });
}

/** Keeps what was committed, as a crash of the process does. */
export function unplug(disk: Disk): void {
  const db = disk.open;
  if (db === undefined || !db.open) {
    return;
  }
  if (db.inTransaction) {
    db.exec('ROLLBACK');
  }
  disk.database = db.serialize();
  db.close();
  disk.open = undefined;
}

export function diskStorage(disk: Disk, life: Life): Storage {
  let incoming: Buffer | undefined;
  const alive = (name: string): void => {
    if (!life.alive) {
      throw new Crash();
    }
    life.step(name);
  };
  return {
    open() {
      alive('open');
      const db = fromBytes(disk.database);
      db.pragma('foreign_keys = ON');
      db.pragma('trusted_schema = OFF');
      const close = db.close.bind(db);
      db.close = () => {
        if (disk.open === db) {
          if (db.inTransaction) {
            db.exec('ROLLBACK');
          }
          disk.database = db.serialize();
          disk.open = undefined;
        }
        return close();
      };
      disk.open = db;
      return { writer: db, reader: db };
    },
    sync() {
      alive('sync');
      disk.durable = disk.open?.serialize() ?? disk.durable;
    },
    setAside() {
      alive('set aside');
      disk.aside = disk.database;
      disk.database = undefined;
    },
    replace(by) {
      alive('replace');
      disk.database =
        by === 'received'
          ? incoming
          : disk.snapshots.find((s) => s.meta.epoch === by.epoch && s.meta.position === by.position)?.bytes;
    },
    async snapshot(writer) {
      alive('snapshot');
      const bytes = writer.serialize();
      const meta = writer
        .prepare<[], Meta>('SELECT epoch, base, message, position, chain, schema FROM _meta')
        .get() as Meta;
      alive('snapshot copied');
      const snapshot = { meta: { ...meta, bytes: bytes.length, sha256: '' }, bytes };
      disk.snapshots = [snapshot, ...disk.snapshots].slice(0, KEEP_SNAPSHOTS);
      disk.durable = bytes;
      return snapshot.meta;
    },
    snapshots: () => disk.snapshots.map((s) => s.meta),
    drop: () => undefined,
    read: ({ epoch, position }, offset, length) =>
      disk.snapshots
        .find((s) => s.meta.epoch === epoch && s.meta.position === position)
        ?.bytes.subarray(offset, offset + length),
    receive(snapshot) {
      const chunks: Uint8Array[] = [];
      return {
        write(chunk) {
          alive('receive');
          chunks.push(chunk);
        },
        async finish() {
          alive('received');
          incoming = Buffer.concat(chunks);
          if (incoming.length !== snapshot.bytes) {
            throw new Error('the snapshot has other bytes than were announced');
          }
        },
        abort: () => undefined,
      };
    },
    async verify() {
      alive('verify');
      return { problems: disk.open === undefined ? [] : atOnce(verifySteps(disk.open)), log: [] };
    },
    // What only one instance without others does.
    missing: () => false,
    prepare: () => ({ db: fromBytes(undefined), adopt: () => undefined, abandon: () => undefined }),
    openDamaged: () => undefined,
  };
}

interface Stream {
  log: Omit<LogInfo, 'last'>;
  messages: Uint8Array[];
  consumers: Set<{ next: number; deliver(): void; end(): void }>;
}

/** The stream, and what instances say to each other. */
export interface Network {
  streams: Map<number, Stream>;
  /** Nobody gets an answer of the stream until then: an election. */
  silentUntil: number;
  handlers: Map<
    string,
    { life: Life; heard?: (a: Announcement) => void; answer?: (q: Question) => Promise<Uint8Array> }
  >;
  deleteStreams(): void;
}

export function makeNetwork(): Network {
  const network: Network = {
    streams: new Map(),
    silentUntil: 0,
    handlers: new Map(),
    deleteStreams() {
      for (const stream of network.streams.values()) {
        for (const consumer of stream.consumers) {
          consumer.end();
        }
      }
      network.streams.clear();
    },
  };
  return network;
}

/** @param slow how many consumers are far behind the others, of 1. */
export function pipeOf(world: World, network: Network, life: Life, losses: number, slow = 0.3): Pipe {
  /** An answer of the server after a while: lost with the life, or on the way there or back. */
  function call<T>(name: string, work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      if (!life.alive) {
        return;
      }
      const back = (settle: () => void): void =>
        world.at(world.random() * 5, () => {
          if (life.alive) {
            settle();
          }
        });
      life.step(`${name} asked`);
      world.at(world.random() * 5, () => {
        const lost = world.now() < network.silentUntil || world.random() < losses;
        if (lost) {
          return world.at(1500, () => back(() => reject(new NotLogged('timeout', false))));
        }
        let answer: T;
        try {
          answer = work();
        } catch (error) {
          return back(() => reject(error as Error));
        }
        if (world.random() < losses) {
          return world.at(1500, () => back(() => reject(new NotLogged('timeout', false))));
        }
        back(() => {
          try {
            life.step(`${name} answered`);
          } catch {
            return;
          }
          resolve(answer);
        });
      });
    });
  }
  const streamOf = (epoch: number): Stream => {
    const stream = network.streams.get(epoch);
    if (stream === undefined) {
      throw new NotLogged('no such stream', false);
    }
    return stream;
  };
  const lastOf = (s: Stream): number => s.log.base + s.messages.length;
  return {
    newest: () =>
      call('info', () => {
        const epoch = Math.max(...network.streams.keys());
        const stream = network.streams.get(epoch);
        return stream === undefined ? undefined : { ...stream.log, last: lastOf(stream) };
      }),
    create: ({ epoch, base, chain, replicas }) =>
      call('create', () => {
        const there = network.streams.get(epoch);
        if (there !== undefined && (there.log.base !== base || there.log.chain !== chain)) {
          throw new Error('there is another one');
        }
        if (there === undefined) {
          network.streams.set(epoch, {
            log: { epoch, base, chain, replicas, first: base + 1 },
            messages: [],
            consumers: new Set(),
          });
        }
      }),
    remove: (upTo) =>
      call('remove', () => {
        for (const [epoch, stream] of network.streams) {
          if (epoch > upTo) {
            continue;
          }
          for (const consumer of stream.consumers) {
            consumer.end();
          }
          network.streams.delete(epoch);
        }
      }),
    publish: ({ epoch }, message) =>
      call('publish', () => {
        const stream = streamOf(epoch);
        stream.messages.push(message);
        for (const consumer of stream.consumers) {
          consumer.deliver();
        }
        return lastOf(stream);
      }),
    consume: (log, from, deliver, ended) =>
      call('consume', () => {
        const stream = streamOf(log.epoch);
        let ahead = 0;
        const lag = world.random() < slow ? 3000 : 10;
        const consumer = {
          stopped: false,
          next: Math.max(from, stream.log.first),
          deliver(): void {
            while (consumer.next + ahead <= lastOf(stream)) {
              const message = consumer.next + ahead;
              ahead += 1;
              // In order, whatever each of them takes.
              consumer.queue.push(message);
              world.at(world.random() * lag, () => {
                const due = consumer.queue.shift();
                if (due === undefined || !life.alive || consumer.stopped) {
                  return;
                }
                consumer.next += 1;
                ahead -= 1;
                surviving(() => {
                  life.step('delivered');
                  deliver(due, stream.messages[due - stream.log.base - 1] as Uint8Array);
                });
              });
            }
          },
          queue: [] as number[],
          end(): void {
            // What had been sent still arrives, or not.
            if (world.random() < 0.5) {
              consumer.stopped = true;
            }
            stream.consumers.delete(consumer);
            world.at(world.random() * 4000, () => {
              if (life.alive && !consumer.stopped) {
                surviving(ended);
              }
            });
          },
        };
        stream.consumers.add(consumer);
        consumer.deliver();
        return {
          stop() {
            consumer.stopped = true;
            stream.consumers.delete(consumer);
          },
        };
      }),
    purge: (log, below) =>
      call('purge', () => {
        const { log: own } = streamOf(log.epoch);
        own.first = Math.max(own.first, below);
      }),
    setReplicas: (log, replicas) =>
      call('replicas', () => {
        streamOf(log.epoch).log.replicas = replicas;
      }),
    inspect: async () => ({ damaged: [], differing: [] }),
  };
}

export function peersOf(world: World, network: Network, self: string, life: Life, losses: number): Peers {
  const own = { life } as {
    life: Life;
    heard?: (a: Announcement) => void;
    answer?: (q: Question) => Promise<Uint8Array>;
  };
  network.handlers.set(self, own);
  return {
    announce(announcement) {
      for (const [name, other] of network.handlers) {
        if (name === self) {
          continue;
        }
        world.at(world.random() * 5, () => {
          if (other.life.alive && world.random() >= losses) {
            surviving(() => other.heard?.(structuredClone(announcement)));
          }
        });
      }
    },
    onAnnouncement: (heard) => void (own.heard = heard),
    ask: (instance, question, ms) =>
      new Promise((resolve, reject) => {
        world.at(ms, () => {
          if (life.alive) {
            reject(new Error('timeout'));
          }
        });
        world.at(world.random() * 5, () => {
          const other = network.handlers.get(instance);
          if (other?.answer === undefined || !other.life.alive || world.random() < losses) {
            return;
          }
          void other.answer(structuredClone(question)).then(
            (bytes) =>
              world.at(world.random() * 5, () => {
                if (life.alive && other.life.alive) {
                  resolve(bytes);
                }
              }),
            () => undefined,
          );
        });
      }),
    onQuestion: (answer) => void (own.answer = answer),
    stop: () => void network.handlers.delete(self),
  };
}
