import type { Frozen, Peers, Pipe, Question } from './pipe.ts';
import type { Timing } from './timing.ts';

/** Without all instances, the stream is rebuilt only after this long. */
export const PATIENCE_MS = 10_000;
const ANSWER_MS = 2_000;

export interface RebuildOptions {
  self: string;
  /** All registered instances, this one included. */
  instances: string[];
  pipe: Pipe;
  peers: Peers;
  timing: Timing;
  replicas: number;
  /**
   * Whether another instance has been heard lately: then it is there, even where a question to it, or its answer, gets
   * lost.
   */
  isLive(instance: string): boolean;
  /** Stops applying entries of this epoch and tells where that was. */
  freeze(epoch: number): Frozen;
}

/**
 * Makes the stream of the next epoch, from where the most advanced database is:
 *
 * 1. What is left of the old stream is removed, so that nobody can log to it any more.
 * 2. All instances apply what they have received, and nothing of that epoch afterwards; each tells its last message and
 *    chain.
 * 3. The stream of the next epoch begins after the highest one of those whose database is sound: nobody could be
 *    re-seeded from another. Who is there with the same chain goes on; who is not re-seeds.
 *
 * What was acknowledged is in a database: `propose` answers after its own instance has applied the command. Any number
 * of instances may do this at once: they hear the same answers and make the same stream, or the first one wins.
 *
 * All instances have to answer; without those that have been silent for long, after some patience, a majority that has
 * a history. Who is there and has not answered may be the only one that has applied the last entries. A majority of
 * empty ones is none: they are what is left when machines are replaced, and must not begin anew while the one with the
 * data is away.
 * @param dead the epoch whose stream is gone.
 * @returns the new epoch; or the highest epoch that somebody has where that is beyond `dead`; undefined where too few
 *   answered.
 */
export async function rebuild(
  dead: number,
  sinceMs: number,
  options: RebuildOptions,
): Promise<{ made: number } | { known: number } | undefined> {
  const { pipe, peers, instances } = options;
  if (dead > 0) {
    await pipe.remove(dead);
  }
  const question: Question = { v: 1, ask: 'freeze', epoch: dead };
  const answers = await Promise.all(
    instances.map(async (name): Promise<Frozen | undefined> => {
      if (name === options.self) {
        return options.freeze(dead);
      }
      try {
        return JSON.parse(Buffer.from(await peers.ask(name, question, ANSWER_MS)).toString('utf8')) as Frozen;
      } catch {
        return undefined;
      }
    }),
  );
  const heard = answers.filter((a) => a !== undefined);
  const highest = Math.max(...heard.map((a) => a.epoch));
  if (highest > dead) {
    return { known: highest };
  }
  const absent = instances.filter((_, i) => answers[i] === undefined);
  const withHistory = heard.filter((a) => a.epoch > 0);
  if (
    absent.length > 0 &&
    (sinceMs < PATIENCE_MS || absent.some(options.isLive) || withHistory.length * 2 <= instances.length)
  ) {
    return undefined;
  }
  const fit = heard.filter((a) => a.fit);
  const best = (fit.length > 0 ? fit : heard).reduce((a, b) =>
    b.epoch > a.epoch || (b.epoch === a.epoch && b.message > a.message) ? b : a,
  );
  await pipe.create({ epoch: dead + 1, base: best.message, chain: best.chain, replicas: options.replicas });
  return { made: dead + 1 };
}

/**
 * Copies of the stream: as many as etcd's members, but not four, which bear no more losses than three. Two need each
 * other either way, so both have one.
 */
export function replicasFor(instances: number): number {
  return instances >= 5 ? 5 : Math.min(instances, 3);
}
