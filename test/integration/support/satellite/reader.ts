import type { NatsConnection } from '@nats-io/transport-node';
import {
  CREDITS,
  batchFrameSchema,
  decode,
  encode,
  frameSchema,
  type Frame,
  type QueryRequest,
  type Value,
} from '../../../../src/bus/frames.ts';
import { subjects } from '../../../../src/bus/subjects.ts';

export interface Answer {
  frames: Frame[];
  rows: Value[][];
  last: Extract<Frame, { end: unknown } | { error: unknown }>;
}

export type AskOptions = Partial<QueryRequest> & { manual?: boolean; sat?: string };

export interface Asked {
  /** Those that have come. */
  frames: Frame[];
  done: Promise<Answer>;
  grant(n: number): void;
  cancel(): void;
}

/** A reader on the bus; `credits` as the cloud would grant them, unless `manual`. */
export function askOn(nc: NatsConnection, q: string, sql: string, options: AskOptions = {}): Asked {
  const { manual = false, sat = 'n1', ...rest } = options;
  const frames: Frame[] = [];
  const reply = subjects.reply('n1', q, sat);
  const grant = (credits: number): void => nc.publish(subjects.credit(sat), encode({ q, credits }));
  let ended: (answer: Answer) => void;
  const done = new Promise<Answer>((resolve) => {
    ended = resolve;
  });
  let pieces: string[] = [];
  const sub = nc.subscribe(reply, {
    callback: (_, msg) => {
      let frame = decode(frameSchema, msg.string());
      if (frame !== undefined && 'part' in frame) {
        pieces.push(frame.text);
        if (!manual) {
          grant(1);
        }
        if (pieces.length < frame.of) {
          return;
        }
        frame = decode(batchFrameSchema, pieces.join(''));
        pieces = [];
      } else if (frame !== undefined && 'rows' in frame && !manual) {
        grant(1);
      }
      if (frame === undefined) {
        throw new Error(`not a frame: ${msg.string().slice(0, 200)}`);
      }
      frames.push(frame);
      if ('end' in frame || 'error' in frame) {
        sub.unsubscribe();
        ended({ frames, rows: frames.flatMap((f) => ('rows' in f ? f.rows : [])), last: frame });
      }
    },
  });
  const request: QueryRequest = {
    q,
    sql,
    timeoutMs: 10_000,
    maxRows: 10_000,
    maxBytes: 64 * 1024 * 1024,
    credits: CREDITS,
    ...rest,
  };
  nc.publish(subjects.query(sat), encode(request), { reply });
  return { frames, done, grant, cancel: () => nc.publish(subjects.cancel(sat), encode({ q })) };
}
