import type { Core } from './core.ts';
import type { Peers, Question } from './pipe.ts';
import type { Snapshot, Storage } from './storage.ts';
import type { Timing } from './timing.ts';

/** Bytes of a chunk, and chunks that are asked for at once. */
export const CHUNK = 256 * 1024;
export const WINDOW = 4;
const STALL_MS = 30_000;
const SNAPSHOT_MS = 30_000;
const NOTHING = new Uint8Array(0);

const json = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));

/** Answers questions for snapshots and their parts; takes a new snapshot where the newest does not reach far enough. */
export async function serveSnapshot(
  question: Question & { ask: 'snapshot' | 'chunk' },
  core: Core,
  storage: Storage,
): Promise<Uint8Array> {
  if (question.ask === 'chunk') {
    return storage.read(question, question.offset, Math.min(question.length, CHUNK)) ?? NOTHING;
  }
  const reaches = (s: Snapshot | undefined): s is Snapshot =>
    s !== undefined && s.epoch >= question.epoch && s.message >= question.message;
  const newest = storage.snapshots()[0];
  if (reaches(newest)) {
    return json(newest);
  }
  const taken = await core.snapshot();
  return reaches(taken) ? json(taken) : NOTHING;
}

/**
 * Fetches a snapshot that is of `epoch` at least and not below `message`, into the storage's place for received ones.
 * @throws Error where the other one has none, falls silent for 30 s, or sent something else than it announced.
 */
export async function fetchSnapshot(
  from: string,
  want: { epoch: number; message: number },
  peers: Peers,
  storage: Storage,
  timing: Timing,
): Promise<Snapshot> {
  const answer = await peers.ask(from, { v: 1, ask: 'snapshot', ...want }, SNAPSHOT_MS);
  if (answer.length === 0) {
    throw new Error(`${from} has no snapshot that reaches message ${want.message} of epoch ${want.epoch}`);
  }
  const snapshot = JSON.parse(Buffer.from(answer).toString('utf8')) as Snapshot;
  const receiver = storage.receive(snapshot);
  try {
    const asked: Promise<Uint8Array>[] = [];
    let next = 0;
    for (let received = 0; received < snapshot.bytes;) {
      while (asked.length < WINDOW && next < snapshot.bytes) {
        const chunk = askPatiently(
          from,
          { v: 1, ask: 'chunk', epoch: snapshot.epoch, position: snapshot.position, offset: next, length: CHUNK },
          peers,
          timing,
        );
        chunk.catch(() => undefined);
        asked.push(chunk);
        next += CHUNK;
      }
      const chunk = await (asked.shift() as Promise<Uint8Array>);
      if (chunk.length === 0) {
        throw new Error(`${from} has dropped its snapshot of position ${snapshot.position}`);
      }
      receiver.write(chunk);
      received += chunk.length;
    }
    await receiver.finish();
    return snapshot;
  } catch (error) {
    receiver.abort();
    throw error;
  }
}

async function askPatiently(from: string, question: Question, peers: Peers, timing: Timing): Promise<Uint8Array> {
  const end = timing.now() + STALL_MS;
  for (;;) {
    try {
      return await peers.ask(from, question, STALL_MS / 3);
    } catch (error) {
      if (timing.now() >= end) {
        throw new Error(`${from} has sent nothing for ${STALL_MS / 1000} s`, { cause: error });
      }
      await timing.sleep(200);
    }
  }
}
