import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node';
import { guarded } from '../guarded.ts';

export interface ListenOptions {
  /** Of all who listen with the same name one gets each message. */
  queue?: string;
  log(line: string): void;
}

/**
 * Takes the messages of a subject until the subscription or the connection ends. What throws about one is logged: out
 * of a callback of the bus's client it would end the reading of the connection, which would then seem well and hear
 * nothing any more.
 */
export function listen(
  nc: NatsConnection,
  subject: string,
  { queue, log }: ListenOptions,
  take: (msg: Msg) => void | Promise<void>,
): Subscription {
  const taken = guarded(`bus: a message on ${subject} was not taken`, log, take);
  return nc.subscribe(subject, {
    ...(queue === undefined ? {} : { queue }),
    callback: (error, msg) => {
      // Not permitted: the connection's status says so.
      if (error === null) {
        taken(msg);
      }
    },
  });
}
