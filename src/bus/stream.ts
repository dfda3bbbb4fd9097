import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  DeliverPolicy,
  DiscardPolicy,
  JetStreamApiError,
  RetentionPolicy,
  StorageType,
  jetstream,
  jetstreamManager,
  type JetStreamClient,
  type JetStreamManager,
  type StreamInfo,
} from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { isErrno } from '../errors.ts';
import { type Inspection, NotLogged, type LogInfo, type Pipe } from '../store/pipe.ts';
import { stateSubjects } from './instances.ts';
import { readBlocks } from './stream-blocks.ts';

const GB = 1_000_000_000;
/** Short, since what it has is logged again: a stream without leader does not answer at all. */
const PUBLISH_MS = 1_500;
/** Answers come within milliseconds, or not at all while a leader is elected; whoever asked asks again. */
const API_MS = 2_000;
/** Messages that the server sends ahead: of the largest it may be 32 MiB, and at 64 it would cut the connection. */
const AHEAD = 128;
/** A consumer lives on one server; two missed beats tell that this one is gone. */
const CONSUME = { expires: 10_000, idle_heartbeat: 1_000 } as const;

/** JetStream's error codes (server/errors.json). */
const STREAM_NOT_FOUND = 10059;
const STREAM_STORE_FULL = new Set([10077, 10047, 10023]);

/**
 * What the client says of a consumer that has to be made anew. It tries by itself too, but longer than writers can
 * wait.
 */
const GONE = new Set([
  'heartbeats_missed',
  'consumer_not_found',
  'consumer_deleted',
  'no_responders',
  'stream_not_found',
]);

const nameOf = (epoch: number): string => `LOG_${epoch}`;

function toLog(info: StreamInfo): LogInfo | undefined {
  const { epoch, base, chain } = info.config.metadata ?? {};
  if (epoch === undefined || base === undefined || chain === undefined) {
    return undefined;
  }
  const start = Number(base);
  return {
    epoch: Number(epoch),
    base: start,
    chain,
    replicas: info.config.num_replicas,
    first: start + (info.state.messages === 0 ? info.state.last_seq + 1 : info.state.first_seq),
    last: start + info.state.last_seq,
  };
}

/** Epochs that have a stream, the newest first. */
async function epochsOf(jsm: JetStreamManager): Promise<number[]> {
  const names: string[] = [];
  for await (const name of jsm.streams.names(stateSubjects.allLogs)) {
    names.push(name);
  }
  return names
    .map((n) => /^LOG_(\d+)$/.exec(n)?.[1])
    .filter((n) => n !== undefined)
    .map(Number)
    .sort((a, b) => b - a);
}

async function infoOf(jsm: JetStreamManager, epoch: number): Promise<LogInfo | undefined> {
  try {
    return toLog(await jsm.streams.info(nameOf(epoch)));
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === STREAM_NOT_FOUND) {
      return undefined;
    }
    throw error;
  }
}

/**
 * The log as JetStream streams, one for each epoch.
 * @param streams folder of this node's own copies: `<store_dir>/jetstream/<account>/streams`.
 */
export function streamPipe(nc: NatsConnection, streams: string): Pipe {
  const js = jetstream(nc, { timeout: API_MS });
  let manager: Promise<JetStreamManager> | undefined;
  const jsm = (): Promise<JetStreamManager> => {
    manager ??= jetstreamManager(nc, { timeout: API_MS, checkAPI: false });
    return manager;
  };

  return {
    async newest() {
      const [epoch] = await epochsOf(await jsm());
      return epoch === undefined ? undefined : infoOf(await jsm(), epoch);
    },
    async create({ epoch, base, chain, replicas }) {
      await (
        await jsm()
      ).streams.add({
        name: nameOf(epoch),
        subjects: [stateSubjects.log(epoch)],
        num_replicas: replicas,
        storage: StorageType.File,
        retention: RetentionPolicy.Limits,
        discard: DiscardPolicy.New,
        max_bytes: GB,
        max_age: 0,
        deny_delete: true,
        allow_direct: false,
        metadata: { epoch: String(epoch), base: String(base), chain },
      });
    },
    async remove(upTo) {
      for (const epoch of await epochsOf(await jsm())) {
        if (epoch <= upTo) {
          await (await jsm()).streams.delete(nameOf(epoch)).catch((error: unknown) => {
            if (!(error instanceof JetStreamApiError && error.code === STREAM_NOT_FOUND)) {
              throw error;
            }
          });
        }
      }
    },
    async publish({ epoch, base }, message) {
      try {
        const ack = await js.publish(stateSubjects.log(epoch), message, {
          timeout: PUBLISH_MS,
          expect: { streamName: nameOf(epoch) },
        });
        return base + ack.seq;
      } catch (error) {
        throw new NotLogged(
          (error as Error).message,
          error instanceof JetStreamApiError && STREAM_STORE_FULL.has(error.code),
          error,
        );
      }
    },
    consume: (log, from, deliver, ended) => consume(js, log, from, deliver, ended),
    async purge(log, below) {
      await (await jsm()).streams.purge(nameOf(log.epoch), { seq: below - log.base });
    },
    async setReplicas(log, replicas) {
      await (await jsm()).streams.update(nameOf(log.epoch), { num_replicas: replicas });
    },
    inspect: (log, hashes) => inspectTwice(streams, log, hashes),
  };
}

/** As `consume` of pipe.ts. */
async function consume(
  js: JetStreamClient,
  log: LogInfo,
  from: number,
  deliver: (message: number, bytes: Uint8Array) => void,
  ended: () => void,
): Promise<{ stop(): void }> {
  const consumer = await js.consumers.get(nameOf(log.epoch), {
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: from - log.base,
  });
  let stopped = false;
  const messages = await consumer.consume({
    max_messages: AHEAD,
    ...CONSUME,
    callback: (m) => {
      if (!stopped) {
        deliver(log.base + m.seq, m.data);
      }
    },
  });
  const end = (): void => {
    if (stopped) {
      return;
    }
    stopped = true;
    void messages.close();
    ended();
  };
  void messages.closed().then(end);
  void (async () => {
    for await (const { type } of messages.status()) {
      if (GONE.has(type)) {
        end();
      }
    }
  })();
  return {
    stop() {
      stopped = true;
      void messages.close();
    },
  };
}

const BATCH = 1000;

/** As `inspect` of pipe.ts. */
async function inspectTwice(
  streams: string,
  log: LogInfo,
  hashes: (from: number, to: number) => Map<number, string>,
): Promise<Inspection> {
  const found = await inspectBlocks(streams, log, hashes);
  if (found.damaged.length === 0 && found.differing.length === 0) {
    return found;
  }
  // What was being written at that moment looks torn.
  await sleep(300);
  return await inspectBlocks(streams, log, hashes);
}

async function inspectBlocks(
  streams: string,
  log: LogInfo,
  hashes: (from: number, to: number) => Map<number, string>,
): Promise<Inspection> {
  const damaged: string[] = [];
  const differing: string[] = [];
  const found = new Map<number, string>();
  const compare = (): void => {
    if (found.size === 0) {
      return;
    }
    const numbers = [...found.keys()];
    const known = hashes(
      numbers.reduce((a, b) => Math.min(a, b)),
      numbers.reduce((a, b) => Math.max(a, b)),
    );
    for (const [message, hash] of found) {
      if (known.has(message) && known.get(message) !== hash) {
        differing.push(`Message ${message} of stream ${nameOf(log.epoch)} is not the one that was applied.`);
      }
    }
    found.clear();
  };
  let last = 0;
  try {
    for await (const record of readBlocks(streams, nameOf(log.epoch))) {
      if (!record.sound) {
        damaged.push(`A record in ${record.file} of stream ${nameOf(log.epoch)} is damaged.`);
      }
      const message = log.base + record.sequence;
      if (!record.sound || record.sequence === 0 || message < log.first) {
        continue;
      }
      if (last !== 0 && message > last + 1) {
        damaged.push(`Messages ${last + 1} to ${message - 1} are missing in stream ${nameOf(log.epoch)}.`);
      }
      last = Math.max(last, message);
      found.set(message, createHash('sha256').update(record.payload).digest('hex'));
      if (found.size >= BATCH) {
        compare();
      }
    }
    compare();
  } catch (error) {
    // This node has no copy: with five nodes three may have one.
    if (!isErrno(error, 'ENOENT')) {
      throw error;
    }
  }
  const some = (sentences: string[]): string[] => [...new Set(sentences)].slice(0, 10);
  return { damaged: some(damaged), differing: some(differing) };
}
