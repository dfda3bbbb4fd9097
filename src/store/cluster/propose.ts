import { Failure } from '../../errors.ts';
import { DEADLINE_MS } from '../core.ts';
import { openGrouping, type Grouping } from '../grouping.ts';
import type { Outcome } from '../machine/types.ts';
import { NotLogged } from '../pipe.ts';
import type { Draft } from '../replica.ts';
import { OVER, metaOf, type ClusterContext } from './context.ts';

/** The proposals of this instance. */
export interface Proposals {
  /** As `propose` of replica.ts. */
  propose(draft: Draft): Promise<Outcome>;
  /** Ends those that wait: the instance is ending. */
  end(): void;
}

/** Has proposals logged, several in one message, and waits until they are applied here. */
export function openProposals(context: ClusterContext): Proposals {
  const { state, core, follower, ending, options } = context;
  const { self, pipe, timing } = options;
  const underWay = new Set<AbortController>();
  const grouping = openGrouping(send, timing);

  /** @returns the epoch that the message was logged under @throws NotLogged */
  async function send(message: Uint8Array): Promise<number> {
    const into = state.stream;
    if (into === undefined || into.epoch !== metaOf(context).epoch) {
      throw new NotLogged('there is no stream', false);
    }
    follower.offer(into.epoch, await pipe.publish(into, message), message);
    return into.epoch;
  }

  return {
    async propose(draft): Promise<Outcome> {
      if (ending.aborted) {
        throw new Failure('store-stopped', 'The cloud is ending.', { host: self });
      }
      const broken = follower.broken();
      if (broken !== undefined) {
        throw new Failure('store-stopped', broken, { host: self, remedy: 'Ask another control plane.' });
      }
      const { command, bytes } = core.prepare(draft);
      const known = core.machine().find(command.id);
      if (known !== undefined) {
        return known;
      }
      const { outcome, cancel } = core.awaitOutcome(command.id);
      const over = new AbortController();
      let settled = false;
      underWay.add(over);
      try {
        return await Promise.race([
          outcome,
          keepLogging(context, grouping, { bytes, alone: command.kind === 'schema.activate' }, over.signal),
          timing.sleep(DEADLINE_MS, over.signal).then((): never => {
            if (settled) {
              return undefined as never;
            }
            throw notConfirmed(self, ending.aborted);
          }),
        ]);
      } finally {
        settled = true;
        underWay.delete(over);
        over.abort(OVER);
        cancel();
      }
    },
    end() {
      for (const over of underWay) {
        over.abort(OVER);
      }
    },
  };
}

/** Logs an entry again and again, under whatever epoch there is, until it is applied here. */
async function keepLogging(
  context: ClusterContext,
  grouping: Grouping,
  { bytes, alone }: { bytes: Uint8Array; alone: boolean },
  over: AbortSignal,
): Promise<never> {
  const { state, options } = context;
  const { self, timing } = options;
  for (;;) {
    if (state.stream !== undefined && state.stream.epoch === metaOf(context).epoch) {
      try {
        const epoch = await grouping.log(bytes, alone, over);
        // Acknowledged; if its stream is lost before it comes to be applied here, it goes into the next one.
        while (!over.aborted && metaOf(context).epoch === epoch && state.stream !== undefined) {
          await timing.sleep(200, over);
        }
      } catch (error) {
        if (!(error instanceof NotLogged)) {
          throw error;
        }
        if (error.full) {
          throw new Failure('store-disk-full', 'The log of changes is full.', { host: self, cause: error });
        }
      }
    }
    if (!over.aborted) {
      await timing.sleep(50 + (options.random(1)[0] ?? 0), over);
    }
    if (over.aborted) {
      return new Promise<never>(() => undefined);
    }
  }
}

function notConfirmed(self: string, ending: boolean): Failure {
  if (ending) {
    return new Failure('store-stopped', 'The cloud is ending; the change may still be carried out.', {
      host: self,
      remedy: 'Ask another control plane, with the same id.',
    });
  }
  return new Failure(
    'store-unavailable',
    `The change was not confirmed within ${DEADLINE_MS / 1000} s. It may still be carried out.`,
    { host: self, remedy: 'Try again with the same id.' },
  );
}
