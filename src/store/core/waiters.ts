import type { AppliedEntry, Outcome } from '../machine/types.ts';
import type { Timing } from '../timing.ts';

/** Callers that wait for the outcome of a command, or for a position. */
export interface Waiters {
  /** Ids of commands that are waited for. */
  waiting(): number;
  /** Resolves as soon as the command is applied. `cancel` when it is not waited for any more. */
  awaitOutcome(id: string): { outcome: Promise<Outcome>; cancel(): void };
  /** @returns whether the position is reached within `ms`, where it has not been reached yet. */
  awaitPosition(position: number, ms: number): Promise<boolean>;
  /** Tells the callers what was applied, up to this position. */
  applied(entries: Pick<AppliedEntry, 'id' | 'position' | 'result'>[], position: number): void;
  /** The database was exchanged: tells the callers what the new one knows. */
  exchanged(find: (id: string) => Outcome | undefined, position: number): void;
}

/** Keeps the callers that wait. */
export function createWaiters(timing: Pick<Timing, 'sleep'>): Waiters {
  const byId = new Map<string, Set<(outcome: Outcome) => void>>();
  const byPosition = new Set<{ position: number; reached: () => void }>();

  function reach(position: number): void {
    for (const waiter of byPosition) {
      if (waiter.position <= position) {
        waiter.reached();
      }
    }
  }

  return {
    waiting: () => byId.size,
    awaitOutcome(id) {
      const { promise, resolve } = Promise.withResolvers<Outcome>();
      const waiters = byId.get(id) ?? new Set();
      byId.set(id, waiters.add(resolve));
      return {
        outcome: promise,
        cancel() {
          waiters.delete(resolve);
          if (waiters.size === 0 && byId.get(id) === waiters) {
            byId.delete(id);
          }
        },
      };
    },
    async awaitPosition(position, ms) {
      const over = new AbortController();
      let found = false;
      const waiter = {
        position,
        reached: (): void => {
          found = true;
          over.abort('over');
        },
      };
      byPosition.add(waiter);
      await timing.sleep(ms, over.signal);
      byPosition.delete(waiter);
      return found;
    },
    applied(entries, reached) {
      for (const { id, position, result } of entries) {
        for (const resolve of byId.get(id) ?? []) {
          resolve({ position, result });
        }
      }
      reach(reached);
    },
    exchanged(find, reached) {
      for (const [id, waiters] of byId) {
        const outcome = find(id);
        if (outcome !== undefined) {
          for (const resolve of waiters) {
            resolve(outcome);
          }
        }
      }
      reach(reached);
    },
  };
}
