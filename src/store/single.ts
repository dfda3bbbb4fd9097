import { Failure } from '../errors.ts';
import { NEWER, openCore, type Core } from './core.ts';
import { LIMITS, type CoreOptions } from './core/options.ts';
import { isDamage } from './damage.ts';
import { Broken } from './machine/apply.ts';
import type { Replica, ScrubReport } from './replica.ts';
import { restore } from './restore.ts';

/** Proposals in one transaction, at most: one fsync for all of them. */
const TOGETHER = 256;
const SCRUB_EVERY_MS = 3_600_000;
const HOUSE_MS = 10_000;

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
  const opened = await openOrRestore(options);
  const { core } = opened;
  /** What is not well, one sentence. */
  let { reason } = opened;
  /** Why nothing can be applied, one sentence: the database is damaged, and could not be restored yet. */
  let stopped: string | undefined;
  const { timing, log, storage } = options;
  const ending = new AbortController();
  let queue: { id: string; bytes: Uint8Array; reject: (error: Error) => void }[] = [];
  let flushing = false;
  /** Whether proposals wait until the database has been looked at, or restored. */
  let held = false;
  let scrubbing: Promise<ScrubReport> | undefined;

  const notApplied = (why: string): Failure =>
    new Failure('store-stopped', why, { host: options.self, remedy: `It is tried again every ${HOUSE_MS / 1000} s.` });
  function flush(): void {
    flushing = false;
    if (held) {
      return;
    }
    if (stopped !== undefined) {
      for (const p of queue) {
        p.reject(notApplied(stopped));
      }
      queue = [];
      return;
    }
    const together = queue.slice(0, TOGETHER);
    queue = queue.slice(TOGETHER);
    if (queue.length > 0) {
      schedule();
    }
    try {
      core.announce(core.machine().apply(together.map((p) => p.bytes)));
    } catch (error) {
      settleAfter(error as Error, together);
    }
  }
  /** What could not be applied was not logged either: only its proposer is concerned, and the others try again. */
  function settleAfter(error: Error, together: typeof queue): void {
    const applied = error instanceof Broken ? error.applied : [];
    core.announce(applied);
    const rest = together.slice(applied.length);
    log(`store: ${error.message}`);
    const failed = error instanceof Broken ? rest.slice(0, 1) : rest;
    for (const p of failed) {
      p.reject(
        new Failure('store-stopped', `The change could not be carried out: ${error.message}.`, {
          host: options.self,
          cause: error,
        }),
      );
    }
    queue = [...rest.slice(failed.length), ...queue];
    if (isDamage(error) && !ending.signal.aborted) {
      held = true;
      scrub().catch(say);
    }
    if (queue.length > 0) {
      schedule();
    }
  }
  function say(error: Error): void {
    log(`store: ${error.message}`);
  }
  function schedule(): void {
    if (flushing || held) {
      return;
    }
    flushing = true;
    timing.soon(flush);
  }

  async function snapshot(): Promise<void> {
    if ((await core.snapshot()) === undefined) {
      return;
    }
    const oldest = storage.snapshots().at(-1);
    if (oldest !== undefined) {
      core.machine().trimLog(oldest.message - (options.limits ?? LIMITS).logMargin);
    }
  }

  /** One at a time: who comes meanwhile gets what it finds. */
  function scrub(): Promise<ScrubReport> {
    scrubbing ??= look().finally(() => {
      scrubbing = undefined;
      held = false;
      if (queue.length > 0) {
        schedule();
      }
    });
    return scrubbing;
  }

  async function look(): Promise<ScrubReport> {
    const from = timing.now();
    const { problems, log: damaged } = await storage.verify();
    if (problems.length > 0) {
      for (const problem of problems) {
        log(`store: ${problem}`);
      }
      log('store: restoring the database from its newest sound snapshot and the log');
      await restoreBeside();
      return { problems, healing: 'restored', ms: timing.now() - from };
    }
    stopped = undefined;
    if (damaged.length === 0) {
      return { problems, healing: 'none', ms: timing.now() - from };
    }
    // The tables are sound: with a snapshot of them nobody needs the log up to here.
    problems.push(`The log's entry ${damaged.join(', ')} is not what was written.`);
    const taken = await core.snapshot();
    if (taken === undefined || taken.message < (damaged.at(-1) ?? 0)) {
      return { problems, healing: 'none', ms: timing.now() - from };
    }
    core.machine().trimLog(taken.message);
    return { problems, healing: 'restored', ms: timing.now() - from };
  }

  /** What is damaged can be read meanwhile; what is proposed waits. */
  async function restoreBeside(): Promise<void> {
    held = true;
    try {
      const restored = await restore(options);
      ({ reason } = restored);
      core.exchange(restored.adopt);
      stopped = undefined;
    } catch (error) {
      stopped = `The database is damaged and cannot be restored: ${(error as Error).message}.`;
      throw error;
    }
  }

  try {
    if (core.machine().meta().epoch === 0) {
      core.machine().startEpoch(1);
    }
    await scrub();
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
      if (stopped !== undefined) {
        throw notApplied(stopped);
      }
      const { command, bytes } = core.prepare(draft);
      const { outcome, cancel } = core.awaitOutcome(command.id);
      const { promise: failed, reject } = Promise.withResolvers<never>();
      failed.catch(() => undefined);
      queue.push({ id: command.id, bytes, reject });
      schedule();
      try {
        return await Promise.race([outcome, failed]);
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
    status() {
      const { epoch, position, chain, schema: active } = core.machine().meta();
      return {
        mode: 'single',
        state: stopped === undefined ? 'ready' : 'stopped',
        reason: stopped ?? reason,
        epoch,
        position,
        behind: 0,
        chain,
        schema: active,
        snapshot: storage.snapshots()[0]?.position ?? -1,
        peers: [],
      };
    },
    scrub,
    snapshot,
    async stop() {
      ending.abort('over');
      await background;
      await scrubbing?.catch(say);
      while (queue.length > 0) {
        flush();
      }
      core.close();
    },
  };
  const background = keepHouse();
  async function keepHouse(): Promise<void> {
    let scrubbed = timing.now();
    while (!ending.signal.aborted) {
      await timing.sleep(HOUSE_MS, ending.signal);
      if (ending.signal.aborted) {
        return;
      }
      try {
        if (!core.machine().db.open) {
          core.exchange(() => undefined);
        }
        if (stopped === undefined && core.snapshotDue()) {
          await snapshot();
        }
        if (stopped === undefined && !core.doubtful() && timing.now() - scrubbed < SCRUB_EVERY_MS) {
          continue;
        }
        scrubbed = timing.now();
        await scrub();
      } catch (error) {
        say(error as Error);
      }
    }
  }
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
