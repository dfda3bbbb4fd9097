import type { NatsConnection } from '@nats-io/transport-node';
import type { Announcement, Peers, Question } from '../store/pipe.ts';
import { listen } from './listen.ts';
import { token } from './subjects.ts';

/** Subjects of the replicated state; what they carry is in src/store/pipe.ts. Clouds only. */
export const stateSubjects = {
  announce: 'store.announce',
  ask: (instance: string): string => `store.ask.${token(instance)}`,
  /** Entries of the log of one epoch, stored by stream `LOG_<epoch>`. */
  log: (epoch: number): string => `log.${epoch}`,
  allLogs: 'log.*',
} as const;

/** The other clouds over the bus. @param log by default on stderr: only what should not happen is said */
export function busPeers(
  nc: NatsConnection,
  self: string,
  log: (line: string) => void = (line) => void process.stderr.write(`${line}\n`),
): Peers {
  const subscriptions: { unsubscribe(): void }[] = [];
  return {
    announce: (announcement) => nc.publish(stateSubjects.announce, JSON.stringify(announcement)),
    onAnnouncement(heard) {
      subscriptions.push(
        listen(nc, stateSubjects.announce, { log }, (msg) => {
          const announcement = msg.json<Announcement>();
          if (announcement.v === 1 && announcement.from !== self) {
            heard(announcement);
          }
        }),
      );
    },
    ask: async (instance, question, ms) =>
      (await nc.request(stateSubjects.ask(instance), JSON.stringify(question), { timeout: ms })).data,
    onQuestion(answer) {
      subscriptions.push(
        listen(nc, stateSubjects.ask(self), { log }, async (msg) => {
          const question = msg.json<Question>();
          // No answer is an answer: the other one asks again, or somebody else.
          const bytes = await answer(question).catch(() => undefined);
          if (bytes !== undefined) {
            msg.respond(bytes);
          }
        }),
      );
    },
    stop() {
      for (const subscription of subscriptions) {
        subscription.unsubscribe();
      }
    },
  };
}
