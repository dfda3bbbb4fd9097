import type { NatsConnection } from '@nats-io/transport-node';
import { z } from 'zod';
import { decode } from '../../bus/frames.ts';
import { listen } from '../../bus/listen.ts';
import type { SessionUse } from './sessions.ts';

/** From any cloud instance to all others: a session was used. A lost one costs at most a login. */
const SUBJECT = 'session.used';
const usedSchema = z.object({ id: z.string().length(64), at: z.int().positive() });

/** Tells the other instances of sessions' use, so that a session is not idle on one because it was used on another. */
export function shareSessionUse(nc: NatsConnection, use: SessionUse, log: (line: string) => void): void {
  listen(nc, SUBJECT, { log }, (msg) => {
    const used = decode(usedSchema, msg.string());
    if (used !== undefined) {
      use.heard(used.id, used.at);
    }
  });
  use.tellBy((id, at) => {
    if (!nc.isClosed()) {
      nc.publish(SUBJECT, JSON.stringify({ id, at }));
    }
  });
}
