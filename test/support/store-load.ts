import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Store } from '../../src/store/database.ts';
import type { Replica } from '../../src/store/replica.ts';
import { ulid } from '../../src/store/ulid.ts';

export interface Load {
  /** Acknowledged commands: id → position. */
  acknowledged: Map<string, number>;
  /** Tries that failed; each was repeated by its id. */
  failed: string[];
  /** Longest time between a first try and the acknowledgement, in ms. */
  slowest(): number;
  /** Ends after each writer's current write. */
  stop(): Promise<void>;
}

/**
 * Writers that each write every `everyMs` at most, to whichever replica there is, and repeat by id what failed.
 * @param replica the one that a writer asks at its nth try; undefined while there is none.
 */
export function startWriters(
  count: number,
  everyMs: number,
  replica: (writer: number, attempt: number) => Replica | undefined,
): Load {
  const acknowledged = new Map<string, number>();
  const failed: string[] = [];
  let slowest = 0;
  let ending = false;
  async function write(writer: number): Promise<void> {
    for (let n = 0; !ending; n += 1) {
      const from = Date.now();
      const id = ulid(from, randomBytes(10));
      for (let attempt = 0; ; attempt += 1) {
        try {
          const chosen = replica(writer, attempt);
          if (chosen === undefined) {
            throw new Error('no replica');
          }
          const { position, result } = await chosen.propose({
            id,
            kind: 'query.put',
            actor: `writer${writer}`,
            args: {
              id: `q${writer}-${n % 7}`,
              owner: 'eva',
              name: `write ${n}`,
              sql: `select '${'x'.repeat(200)}'`,
              details: { n },
            },
          });
          if (!result.ok) {
            throw new Error(result.message);
          }
          acknowledged.set(id, position);
          break;
        } catch (error) {
          failed.push((error as Error).message);
          await sleep(50);
        }
      }
      slowest = Math.max(slowest, Date.now() - from);
      await sleep(Math.max(0, everyMs - (Date.now() - from)));
    }
  }
  const writers = Array.from({ length: count }, (_, w) => write(w));
  return {
    acknowledged,
    failed,
    slowest: () => slowest,
    async stop() {
      ending = true;
      await Promise.all(writers);
    },
  };
}

/** The writers' commands that a database has, and where; one that was applied twice is there twice. */
export function writesIn(db: Store): { id: string; position: number }[] {
  return db
    .prepare<[], { id: string; position: number }>(
      "SELECT id, position FROM audit WHERE kind = 'query.put' AND outcome = 'ok'",
    )
    .all();
}

/**
 * @returns what is wrong: acknowledged commands that are not in the database at their position, or not exactly once.
 */
export function lostOrTwice(db: Store, load: Load): string[] {
  return misplaced(writesIn(db), load.acknowledged);
}

/** @returns what is wrong: acknowledged commands, by id, that were not found at their position, or not exactly once. */
export function misplaced(writes: { id: string; position: number }[], acknowledged: Map<string, number>): string[] {
  const times = new Map<string, number[]>();
  for (const { id, position } of writes) {
    times.set(id, [...(times.get(id) ?? []), position]);
  }
  return [...acknowledged].flatMap(([id, position]) => {
    const found = times.get(id) ?? [];
    return found.length === 1 && found[0] === position
      ? []
      : [`${id} was acknowledged at ${position} and is at ${found.join(', ') || 'no position'}`];
  });
}
