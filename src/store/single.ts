import { Failure } from '../errors.ts';
import { NEWER, openCore, type Core } from './core.ts';
import { LIMITS, type CoreOptions } from './core/options.ts';
import { isDamage } from './damage.ts';
import type { Replica, ReplicaStatus } from './replica.ts';
import { restore } from './restore.ts';
import { HOUSE_MS, type SingleContext } from './single/context.ts';
import { createQueue, notApplied } from './single/queue.ts';
import { createScrubber } from './single/scrub.ts';

const SCRUB_EVERY_MS = 3_600_000;

/**
 * @returns a database that could be opened, and what is not well, one sentence @throws Error where it can be opened
 *   only when the machine is well again; it is left as it is then.
 */
async function openOrRestore(options: CoreOptions): Promise<{ core: Core; reason: string | undefined }> {
  const { storage, log } = options;
  if (storage.missing()) {
    log('store: the database is missing, restoring it');
  } else {
    try {
      return { core: openCore(options, true), reason: undefined };
    } catch (error) {
      if (error instanceof Failure && error.code === NEWER) {
        throw error;
      }
      if (!isDamage(error) && (await storage.verify()).problems.length === 0) {
        throw error;
      }
      log(`store: the database cannot be opened (${(error as Error).message}), restoring it`);
    }
  }
  const { reason, adopt } = await restore(options);
  adopt();
  return { core: openCore(options, true), reason };
}

/** One instance without a bus: an entry is appended to `_log` in the transaction that applies it. */
export async function openSingle(options: CoreOptions): Promise<Replica> {
  const { core, reason } = await openOrRestore(options);
  const ending = new AbortController();
  const context: SingleContext = {
    options,
    core,
    state: { reason, stopped: undefined, held: false },
    ending: ending.signal,
  };
  const { state } = context;
  const say = (error: Error): void => options.log(`store: ${error.message}`);
  const queue = createQueue(context, () => void scrubber.scrub().catch(say));
  const scrubber = createScrubber(context, queue.resume);

  try {
    if (core.machine().meta().epoch === 0) {
      core.machine().startEpoch(1);
    }
    await scrubber.scrub();
  } catch (error) {
    core.close();
    throw error;
  }
  const { schema } = core.machine().meta();
  const newest = options.schema.at(-1)?.version ?? 0;
  const replica: Replica = {
    async propose(draft) {
      if (ending.signal.aborted) {
        throw new Failure('store-stopped', 'The cloud is ending.', { host: options.self });
      }
      if (state.stopped !== undefined) {
        throw notApplied(context, state.stopped);
      }
      const { command, bytes } = core.prepare(draft);
      const { outcome, cancel } = core.awaitOutcome(command.id);
      try {
        return await Promise.race([outcome, queue.add(bytes)]);
      } finally {
        cancel();
      }
    },
    get db() {
      return core.reader();
    },
    position: () => core.machine().meta().position,
    waitFor: core.waitFor,
    onChange: core.onChange,
    status: () => statusOf(context),
    scrub: scrubber.scrub,
    snapshot: () => takeSnapshot(context),
    async stop() {
      ending.abort('over');
      await background;
      await scrubber.underWay()?.catch(say);
      queue.drain();
      core.close();
    },
  };
  const background = keepHouse(context, replica, say);
  try {
    if (schema < newest) {
      await replica.propose({ kind: 'schema.activate', actor: `cloud/${options.self}`, args: { version: newest } });
    }
  } catch (error) {
    await replica.stop();
    throw error;
  }
  return replica;
}

function statusOf({ options, core, state }: SingleContext): ReplicaStatus {
  const { epoch, position, chain, schema } = core.machine().meta();
  return {
    mode: 'single',
    state: state.stopped === undefined ? 'ready' : 'stopped',
    reason: state.stopped ?? state.reason,
    epoch,
    position,
    behind: 0,
    chain,
    schema,
    snapshot: options.storage.snapshots()[0]?.position ?? -1,
    peers: [],
  };
}

/** Takes a snapshot, and drops what nobody needs of the log any more. */
async function takeSnapshot({ options, core }: SingleContext): Promise<void> {
  if ((await core.snapshot()) === undefined) {
    return;
  }
  const oldest = options.storage.snapshots().at(-1);
  if (oldest !== undefined) {
    core.machine().trimLog(oldest.message - (options.limits ?? LIMITS).logMargin);
  }
}

/** Takes snapshots and scrubs, until the instance ends. */
async function keepHouse(
  { options, core, state, ending }: SingleContext,
  { scrub, snapshot }: Pick<Replica, 'scrub' | 'snapshot'>,
  say: (error: Error) => void,
): Promise<void> {
  const { timing } = options;
  let scrubbed = timing.now();
  while (!ending.aborted) {
    await timing.sleep(HOUSE_MS, ending);
    if (ending.aborted) {
      return;
    }
    try {
      if (!core.machine().db.open) {
        core.exchange(() => undefined);
      }
      if (state.stopped === undefined && core.snapshotDue()) {
        await snapshot();
      }
      if (state.stopped === undefined && !core.doubtful() && timing.now() - scrubbed < SCRUB_EVERY_MS) {
        continue;
      }
      scrubbed = timing.now();
      await scrub();
    } catch (error) {
      say(error as Error);
    }
  }
}
