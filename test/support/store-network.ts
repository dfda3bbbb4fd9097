import {
  NotLogged,
  type Announcement,
  type LogInfo,
  type Peers,
  type Pipe,
  type Question,
} from '../../src/store/pipe.ts';
import { surviving, type Life, type World } from './store-world.ts';

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

/** A network without a stream, and without instances. */
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

const lastOf = (s: Stream): number => s.log.base + s.messages.length;

/** A call of the server, which does `work` and answers with its value. */
type Call = <T>(name: string, work: () => T) => Promise<T>;

/** Calls that are answered after a while; they are lost with the life, or on the way there or back. */
function serverCalls(world: World, network: Network, life: Life, losses: number): Call {
  return <T>(name: string, work: () => T) =>
    new Promise<T>((resolve, reject) => {
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

interface Consumption {
  stream: Stream;
  /** The first message that is delivered. */
  from: number;
  /** A message takes this long at most, in ms. */
  lag: number;
  deliver: (message: number, bytes: Uint8Array) => void;
  ended: () => void;
}

/** Delivers what is in the stream, and what comes, in order. */
function startConsumer(world: World, life: Life, { stream, from, lag, deliver, ended }: Consumption): { stop(): void } {
  let ahead = 0;
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
      // Messages that had been sent still arrive, or not.
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
}

/**
 * The log as one life of an instance reaches it.
 * @param losses how many messages are lost, of 1.
 * @param slow how many consumers are far behind the others, of 1.
 */
export function pipeOf(world: World, network: Network, life: Life, losses: number, slow = 0.3): Pipe {
  const call = serverCalls(world, network, life, losses);
  const streamOf = (epoch: number): Stream => {
    const stream = network.streams.get(epoch);
    if (stream === undefined) {
      throw new NotLogged('no such stream', false);
    }
    return stream;
  };
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
      call('consume', () =>
        startConsumer(world, life, {
          stream: streamOf(log.epoch),
          from,
          lag: world.random() < slow ? 3000 : 10,
          deliver,
          ended,
        }),
      ),
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

/**
 * The other instances as one life of an instance reaches them.
 * @param losses how many messages are lost, of 1.
 */
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
