import type { NatsConnection, Subscription } from '@nats-io/transport-node';
import {
  cancelSchema,
  creditSchema,
  decode,
  encode,
  queryRequestSchema,
  type Frame,
  type QueryRequest,
} from '../../../../src/bus/frames.ts';
import { subjects } from '../../../../src/bus/subjects.ts';

export interface Fake {
  requests: QueryRequest[];
  credits: number;
  /** As they came, one by one. */
  grants: number[];
  cancelled: string[];
  stop(): void;
}

export type FakeAnswer = (request: QueryRequest, send: (frame: Frame) => void, self: Fake) => void;

/** A satellite that answers each request by `answer`. */
export async function fakeSatellite(nc: NatsConnection, sat: string, answer: FakeAnswer): Promise<Fake> {
  const subscriptions: Subscription[] = [];
  const self: Fake = {
    requests: [],
    credits: 0,
    grants: [],
    cancelled: [],
    stop: () => subscriptions.forEach((s) => s.unsubscribe()),
  };
  subscriptions.push(
    nc.subscribe(subjects.query(sat), {
      callback: (_, msg) => {
        const request = decode(queryRequestSchema, msg.string());
        if (request === undefined || msg.reply === undefined) {
          throw new Error('not a request');
        }
        const reply = msg.reply;
        self.requests.push(request);
        self.credits = request.credits;
        answer(request, (frame) => nc.publish(reply, encode(frame)), self);
      },
    }),
    nc.subscribe(subjects.credit(sat), {
      callback: (_, msg) => {
        const credit = decode(creditSchema, msg.string());
        // The credit of the test before may still be on its way.
        if (credit !== undefined && !self.requests.some((r) => r.q === credit.q)) {
          return;
        }
        self.credits += credit?.credits ?? Number.NaN;
        self.grants.push(credit?.credits ?? Number.NaN);
      },
    }),
    nc.subscribe(subjects.cancel(sat), {
      callback: (_, msg) => {
        const q = decode(cancelSchema, msg.string())?.q ?? 'unreadable';
        // So may its cancel.
        if (q === 'unreadable' || self.requests.some((r) => r.q === q)) {
          self.cancelled.push(q);
        }
      },
    }),
  );
  await nc.flush();
  return self;
}
