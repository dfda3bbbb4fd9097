import { Failure } from '../errors.ts';
import { LIMITS, NEWER, openCore, type Core, type CoreOptions } from './core.ts';
import { Broken } from './machine.ts';
import type { Replica, ScrubReport } from './replica.ts';
import { restore } from './restore.ts';

/** Proposals in one transaction, at most: one fsync for all of them. */
const TOGETHER = 256;
const SCRUB_EVERY_MS = 3_600_000;
const SNAPSHOT_CHECK_MS = 10_000;

/** One instance without a bus: an entry is appended to `_log` in the transaction that applies it. */
export async function openSingle(options: CoreOptions): Promise<Replica> {
  let core: Core;
  /** What is not well, one sentence. */
  let reason: string | undefined;
  try {
    core = openCore(options, true);
  } catch (error) {
    if (error instanceof Failure && error.code === NEWER) throw error;
    options.log(`store: the database cannot be opened (${(error as Error).message}), restoring it`);
    options.storage.setAside();
    reason = restore(options);
    core = openCore(options, true);
  }
  const { timing, log } = options;
  const ending = new AbortController();
  let queue: { id: string; bytes: Uint8Array; reject: (error: Error) => void }[] = [];
  let flushing = false;

  if (core.machine().meta().epoch === 0) core.machine().startEpoch(1);

  function flush(): void {
    flushing = false;
    const together = queue.slice(0, TOGETHER);
    queue = queue.slice(TOGETHER);
    if (queue.length > 0) schedule();
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
    for (const p of failed) p.reject(new Failure('store-stopped', `The change could not be carried out: ${error.message}.`, { host: options.self, cause: error }));
    queue = [...rest.slice(failed.length), ...queue];
    if (queue.length > 0) schedule();
  }
  function schedule(): void {
    if (flushing) return;
    flushing = true;
    timing.soon(flush);
  }

  async function snapshot(): Promise<void> {
    if ((await core.snapshot()) === undefined) return;
    const oldest = options.storage.snapshots().at(-1);
    if (oldest !== undefined) core.machine().trimLog(oldest.message - (options.limits ?? LIMITS).logMargin);
  }

  async function scrub(): Promise<ScrubReport> {
    const from = timing.now();
    const { problems, log: damaged } = await options.storage.verify();
    if (problems.length > 0) {
      for (const problem of problems) log(`store: ${problem}`);
      log('store: restoring the database from its newest snapshot and the log');
      core.exchange(() => {
        options.storage.setAside();
        reason = restore(options);
      });
      return { problems, healing: 'restored', ms: timing.now() - from };
    }
    if (damaged.length === 0) return { problems, healing: 'none', ms: timing.now() - from };
    // The tables are sound: with a snapshot of them nobody needs the log up to here.
    problems.push(`The log's entry ${damaged.join(', ')} is not what was written.`);
    const taken = await core.snapshot();
    if (taken !== undefined) core.machine().trimLog(taken.message);
    return { problems, healing: 'restored', ms: timing.now() - from };
  }

  await scrub();
  const { schema } = core.machine().meta();
  const newest = options.schema.at(-1)?.version ?? 0;
  const replica: Replica = {
    async propose(draft) {
      if (ending.signal.aborted) throw new Failure('store-stopped', 'The cloud is ending.', { host: options.self });
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
      return { mode: 'single', state: 'ready', reason, epoch, position, behind: 0, chain, schema: active, snapshot: options.storage.snapshots()[0]?.position ?? -1, peers: [] };
    },
    scrub,
    snapshot,
    async stop() {
      ending.abort('over');
      await background;
      while (queue.length > 0) flush();
      core.close();
    },
  };
  const background = keepHouse();
  async function keepHouse(): Promise<void> {
    let scrubbed = timing.now();
    while (!ending.signal.aborted) {
      await timing.sleep(SNAPSHOT_CHECK_MS, ending.signal);
      if (ending.signal.aborted) return;
      if (core.snapshotDue()) await snapshot();
      if (timing.now() - scrubbed >= SCRUB_EVERY_MS) {
        scrubbed = timing.now();
        await scrub();
      }
    }
  }
  if (schema < newest) await replica.propose({ kind: 'schema.activate', actor: `cloud/${options.self}`, args: { version: newest } });
  return replica;
}
