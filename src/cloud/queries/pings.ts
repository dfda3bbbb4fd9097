import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { LOST_MS } from '../../bus/frames.ts';
import { subjects } from '../../bus/subjects.ts';
import { microseconds, newId } from './query.ts';

/** Pings under way; their answers come on the subjects of queries' answers. */
export interface Pings {
  /**
   * Sends a few bytes to a satellite and has them come back.
   * @returns milliseconds from here to there and back @throws Error where they do not come back within `LOST_MS`
   */
  ping(sat: string, data: string): Promise<number>;
  /** Takes a message that answers a ping. @returns whether it does */
  receive(id: string, sat: string, msg: Msg): boolean;
}

/** @param now the monotonic clock, in milliseconds */
export function createPings(instance: string, nc: NatsConnection, now: () => number): Pings {
  const pings = new Map<string, (answer: Msg | undefined) => void>();
  return {
    async ping(sat, data) {
      const id = newId();
      const key = `${id} ${sat}`;
      const began = now();
      const { promise, resolve } = Promise.withResolvers<Msg | undefined>();
      pings.set(key, resolve);
      const timer = setTimeout(resolve, LOST_MS, undefined);
      nc.publish(subjects.ping(sat), data, { reply: subjects.reply(instance, id, sat) });
      const answer = await promise;
      clearTimeout(timer);
      pings.delete(key);
      if (answer === undefined) {
        throw new Error(`${sat} has not answered for ${LOST_MS / 1000} s.`);
      }
      if (answer.headers?.code === 503) {
        throw new Error(`${sat} is not connected.`);
      }
      if (answer.string() !== data) {
        throw new Error(`${sat} answered something else.`);
      }
      return microseconds(now() - began);
    },
    receive(id, sat, msg) {
      const resolve = pings.get(`${id} ${sat}`);
      resolve?.(msg);
      return resolve !== undefined;
    },
  };
}
