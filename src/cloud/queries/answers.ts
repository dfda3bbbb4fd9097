import type { Msg } from '@nats-io/transport-node';
import { decodeFrame, type Frame, type PartFrame } from '../../bus/frames.ts';
import { pushLine, type Parts } from './parts.ts';
import type { Part, Query } from './query.ts';

type Batch = Extract<Frame, { rows: unknown }>;

/** Takes what satellites answer. */
export interface Answers {
  /** Takes a message on the subject of this satellite's answers, while its part is pending. */
  receive(query: Query, sat: string, part: Part, msg: Msg): void;
}

/** @param now the monotonic clock, in milliseconds */
export function createAnswers({ cancel, fail }: Pick<Parts, 'cancel' | 'fail'>, now: () => number): Answers {
  const refuse = (query: Query, sat: string, part: Part, code: string, message: string): void => {
    cancel(query, sat);
    fail(query, sat, part, 'error', code, message);
  };
  const nonsense = (query: Query, sat: string, part: Part): void =>
    refuse(query, sat, part, 'bus.frame', `${sat} sent something that is no answer.`);
  const gap = (query: Query, sat: string, part: Part): void =>
    refuse(query, sat, part, 'bus.gap', `Batch ${part.nextSeq} of ${sat} got lost on the way.`);
  const creditless = (query: Query, sat: string, part: Part): void =>
    refuse(query, sat, part, 'bus.credit', `${sat} sent more than it was asked for.`);

  /**
   * What is kept of it is bounded by the most parts that there may be, and one batch of each satellite is under way at
   * a time.
   */
  const assemble = (query: Query, sat: string, part: Part, { seq, part: nth, of, text }: PartFrame): void => {
    if (seq !== part.nextSeq || nth !== part.pieces.length) {
      return gap(query, sat, part);
    }
    if (part.credits <= 0) {
      return creditless(query, sat, part);
    }
    part.pieces.push(text);
    if (part.pieces.length < of) {
      return;
    }
    const decoded = decodeFrame(part.pieces.join(''));
    part.pieces = [];
    const frame = decoded?.frame;
    if (frame === undefined || !('rows' in frame) || frame.sat !== sat || frame.q !== query.id) {
      return nonsense(query, sat, part);
    }
    accept(query, sat, part, frame, decoded?.text, of);
  };
  const accept = (query: Query, sat: string, part: Part, frame: Frame, text: string | undefined, cost = 1): void => {
    part.lastHeard = now();
    if ('alive' in frame) {
      return;
    }
    if ('part' in frame) {
      return assemble(query, sat, part, frame);
    }
    if (frame.seq !== part.nextSeq || part.pieces.length > 0) {
      return gap(query, sat, part);
    }
    part.nextSeq += 1;
    if ('error' in frame) {
      const { code, message } = frame.error;
      fail(query, sat, part, code === 'query.denied' ? 'denied' : 'error', code, message);
    } else if ('end' in frame) {
      part.state = part.rows > 0 ? 'rows' : 'empty';
      const { rows, ms, truncated } = frame.end;
      pushLine(query, { q: query.id, sat, end: { rows, ms, ...(truncated === undefined ? {} : { truncated }) } });
    } else if (part.credits <= 0) {
      creditless(query, sat, part);
    } else {
      takeBatch(query, sat, part, frame, text, cost);
    }
  };

  return {
    receive(query, sat, part, msg) {
      if (msg.headers?.code === 503) {
        return fail(query, sat, part, 'lost', 'satellite.lost', `${sat} is not connected.`);
      }
      const decoded = decodeFrame(msg.string());
      const frame = decoded?.frame;
      // The server lets a satellite answer on its own subject only, so the subject says whose frame it is.
      if (frame === undefined || frame.sat !== sat || frame.q !== query.id) {
        return nonsense(query, sat, part);
      }
      accept(query, sat, part, frame, decoded?.text);
    },
  };
}

function takeBatch(query: Query, sat: string, part: Part, frame: Batch, text: string | undefined, cost: number): void {
  // A batch of several parts may take more than there are: the satellite sends nothing more until they have been
  // given back.
  part.credits -= cost;
  part.rows += frame.rows.length;
  const columns = frame.columns === undefined ? {} : { columns: frame.columns };
  pushLine(query, { q: query.id, sat, seq: frame.seq, ...columns, rows: frame.rows }, text, cost);
}
