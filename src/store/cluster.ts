import { hash } from 'node:crypto';
import { Failure } from '../errors.ts';
import type { ClusterParts } from './cluster/parts.ts';
import { openComparison } from './comparison.ts';
import { DEADLINE_MS, LIMITS, openCore, type Core, type CoreOptions } from './core.ts';
import { isDamage } from './damage.ts';
import { openFollower } from './follower.ts';
import { openGrouping } from './grouping.ts';
import type { Outcome } from './machine.ts';
import { NotLogged, type Announcement, type Frozen, type LogInfo } from './pipe.ts';
import { rebuild, replicasFor } from './rebuild.ts';
import type { Replica, ReplicaStatus, ScrubReport } from './replica.ts';
import type { Snapshot } from './storage.ts';
import { fetchSnapshot, serveSnapshot } from './transfer.ts';

export interface ClusterOptions extends CoreOptions, ClusterParts {}

/** Why a pause ends early: nothing to be thrown, and an exception with its stack would cost more than the rest. */
const OVER = 'over';
const TICK_MS = 1000;
export const ANNOUNCE_MS = 5000;
/** A stream must be missing for so long, and be seen so twice. */
const MISSING_MS = 2000;
/** The next look at a stream that seemed to be missing: proposals wait as long as it does. */
const LOOK_AGAIN_MS = 200;
const PURGE_EVERY_MS = 10_000;
const DOUBTFUL_MS = 10_000;
const SCRUB_EVERY_MS = 3_600_000;
/** Instances that were installed together do not all scrub at the same time. */
const SCRUB_SPREAD_MS = 600_000;
/** A stream in which something is damaged is still followed to its end for so long, before it is given up. */
const SALVAGE_MS = 30_000;
/** Nobody follows a stream, though all are there, for so long: nobody can. */
const ORPHAN_MS = 30_000;
/** The next look after one that could not say what is wrong: instances have compared their chains by then. */
const RESCRUB_MS = 2 * ANNOUNCE_MS;
/** Messages behind, up to which an instance counts as ready. */
const READY_BEHIND = 100;
const RETRY_STOPPED_MS = 5000;

/** Three or five instances: the log is a JetStream stream, whose order each of them follows. */
export async function openCluster(options: ClusterOptions): Promise<Replica> {
  const { self, pipe, peers, timing, log, storage } = options;
  const ending = new AbortController();
  const comparison = openComparison(self, timing);
  const core = openOrEmpty();
  /** The stream as seen last; undefined while there is none or the bus does not tell. */
  let stream: LogInfo | undefined;
  let activity: 'reseeding' | 'rebuilding' | undefined;
  let reason: string | undefined = 'The log has not been found yet.';
  let missing: { since: number; dead: number } | undefined;
  let condemned: { epoch: number; why: string; at: number } | undefined;
  let orphan: { epoch: number; since: number } | undefined;
  let scrubbing: Promise<ScrubReport> | undefined;
  const scrubEveryMs = SCRUB_EVERY_MS + (parseInt(hash('sha256', self, 'hex').slice(0, 8), 16) % SCRUB_SPREAD_MS);
  /** What is wrong with the database. */
  let unfit = (
    await storage.verify().catch((error: unknown) => {
      core.close();
      throw error;
    })
  ).problems[0];
  const last = {
    announced: -Infinity,
    scrubbed: -Infinity,
    purged: -Infinity,
    replicas: -Infinity,
    activation: -Infinity,
  };
  /** When the bus did not answer last. */
  let silentBus = -Infinity;
  let kick = new AbortController();
  /** Proposals that wait. */
  const underWay = new Set<AbortController>();

  const grouping = openGrouping(send, timing);
  const follower = openFollower({ ...options, core, wake: () => kick.abort(OVER) });
  if (unfit !== undefined) {
    log(`store: ${unfit}`);
  }
  const meta = (): ReturnType<ReturnType<Core['machine']>['meta']> => core.machine().meta();
  const names = (): string[] => options.instances().map((i) => i.name);

  function openOrEmpty(): Core {
    try {
      return openCore(options, false);
    } catch (error) {
      // A full disk, too few descriptors: what is whole is not put aside for that.
      if (!isDamage(error)) {
        throw error;
      }
      log(`store: the database cannot be opened (${(error as Error).message}), it is put aside`);
      storage.setAside();
      return openCore(options, false);
    }
  }

  function freeze(epoch: number): Frozen {
    follower.freeze(epoch);
    // What is left of the stream is about to be removed: from now on this database may be the one copy.
    storage.sync();
    const { epoch: mine, message, chain } = meta();
    return { epoch: mine, message, chain, fit: unfit === undefined && !comparison.odd(names().length) };
  }

  function announce(): void {
    last.announced = timing.now();
    const { epoch, message, position, chain, schema } = meta();
    const announcement: Announcement = {
      v: 1,
      from: self,
      epoch,
      message,
      position,
      chain,
      schema,
      supports: options.schema.at(-1)?.version ?? 0,
      snapshot: newestSnapshot()?.message ?? -1,
      applying: applying(),
      differs: comparison.differs(),
    };
    peers.announce(announcement);
  }
  /** One of this epoch that does not lie ahead of the database: after a re-seed an own one may. */
  function newestSnapshot(): Snapshot | undefined {
    const { epoch, message } = meta();
    return storage.snapshots().find((s) => s.epoch === epoch && s.message <= message);
  }
  function applying(): boolean {
    return follower.following() && follower.broken() === undefined && activity === undefined && unfit === undefined;
  }

  /**
   * Makes this instance follow the newest stream, whatever is in the way: adopts a new epoch, re-seeds, rebuilds. One
   * step; called again and again.
   */
  async function attend(): Promise<void> {
    let newest: LogInfo | undefined;
    // What is applied while the bus looks may come after its answer.
    const { message: before } = meta();
    try {
      newest = await pipe.newest();
    } catch (error) {
      // Elections take up to 9 s: what is known stays, and entries may come all the same.
      reason = `The bus does not answer: ${(error as Error).message}.`;
      silentBus = timing.now();
      return;
    }
    const { epoch, base, message, chain } = meta();
    // What has not been applied is nowhere else.
    const salvaged =
      newest === undefined || newest.last <= message || timing.now() - (condemned?.at ?? 0) >= SALVAGE_MS;
    if (newest !== undefined && condemned?.epoch === newest.epoch && salvaged && enoughInTouch()) {
      log(`store: ${condemned.why} The stream of epoch ${newest.epoch} is rebuilt.`);
      await rebuildFrom(newest.epoch, Infinity);
      return;
    }
    if (
      newest?.epoch === epoch &&
      epoch > 0 &&
      (newest.base !== base || (base > 0 && (core.machine().chainAt(base) ?? newest.chain) !== newest.chain))
    ) {
      return reseed(newest, 'It belongs to another history than the log.');
    }
    if (newest === undefined || newest.epoch < epoch || (newest.epoch === epoch && newest.last < before)) {
      // What is there is removed by a rebuild: not unless it can be completed.
      if (newest !== undefined && !enoughInTouch()) {
        return;
      }
      stream = undefined;
      missing ??= { since: timing.now(), dead: Math.max(epoch, newest?.epoch ?? 0) };
      missing.dead = Math.max(missing.dead, epoch, newest?.epoch ?? 0);
      const since = timing.now() - missing.since;
      reason =
        newest === undefined
          ? 'There is no stream for the log.'
          : 'The stream of the log ends before what was applied.';
      if (since >= MISSING_MS) {
        await rebuildFrom(missing.dead, since);
      }
      return;
    }
    missing = undefined;
    stream = newest;
    if (unfit !== undefined) {
      return reseed(newest, unfit);
    }
    if (newest.epoch > epoch) {
      const continues = message === newest.base && chain === newest.chain && (epoch > 0 || message === 0);
      if (!continues) {
        return reseed(
          newest,
          epoch === 0
            ? 'This instance is new.'
            : `It ended at message ${message}, epoch ${newest.epoch} began after ${newest.base}.`,
        );
      }
      core.machine().startEpoch(newest.epoch);
      log(`store: epoch ${newest.epoch} after message ${message}`);
    }
    if (newest.first > meta().message + 1) {
      return reseed(newest, `The log begins at message ${newest.first}, and this instance is at ${meta().message}.`);
    }
    reason =
      follower.broken() ??
      (comparison.differs().length > 0
        ? `The hash chain is another one than on ${comparison.differs().join(', ')}.`
        : undefined);
    await follower.follow(newest, timing.now() - silentBus < DOUBTFUL_MS);
  }

  function enoughInTouch(): boolean {
    const live = new Set(comparison.live().map((a) => a.from));
    return names().filter((n) => n === self || live.has(n)).length * 2 > names().length;
  }

  async function rebuildFrom(dead: number, sinceMs: number): Promise<void> {
    activity = 'rebuilding';
    try {
      const result = await rebuild(dead, sinceMs, {
        self,
        instances: names(),
        pipe,
        peers,
        timing,
        replicas: replicasFor(names().length),
        freeze,
        isLive: (name) => comparison.live().some((a) => a.from === name),
      });
      if (result === undefined) {
        reason = 'The log has to be begun anew, and too few instances answer.';
        missing ??= { since: timing.now(), dead };
      } else if ('known' in result) {
        missing = { since: timing.now(), dead: result.known };
      } else {
        log(`store: the stream of epoch ${result.made} was made`);
        kick.abort(OVER);
      }
    } catch (error) {
      reason = `The stream cannot be made: ${(error as Error).message}.`;
    } finally {
      activity = undefined;
    }
  }

  async function reseed(newest: LogInfo, why: string): Promise<void> {
    activity = 'reseeding';
    reason = why;
    follower.stop();
    try {
      const donors = comparison
        .live()
        .filter(
          (a) =>
            a.applying && a.epoch >= newest.epoch && (unfit !== undefined || !comparison.differs().includes(a.from)),
        )
        .sort((a, b) => b.message - a.message);
      for (const donor of donors) {
        log(`store: re-seeding from ${donor.from}: ${why}`);
        try {
          const snapshot = await unlessEnding(
            fetchSnapshot(donor.from, { epoch: newest.epoch, message: newest.first - 1 }, peers, storage, timing),
          );
          if (snapshot.schema > (options.schema.at(-1)?.version ?? 0)) {
            throw new Error(`it has schema ${snapshot.schema}, which is newer than this release`);
          }
          await exchange(() => storage.replace('received'));
          log(`store: re-seeded at position ${snapshot.position} of epoch ${snapshot.epoch}`);
          return;
        } catch (error) {
          log(`store: not re-seeded from ${donor.from}: ${(error as Error).message}`);
        }
      }
      const own = storage
        .snapshots()
        .find(
          (s) =>
            s.epoch >= newest.epoch &&
            s.message >= newest.first - 1 &&
            (unfit !== undefined || s.message > meta().message),
        );
      if (own !== undefined) {
        log(`store: back to the own snapshot of position ${own.position}: ${why}`);
        await exchange(() => storage.replace(own));
      } else if (donors.length === 0 && newest.base === 0 && newest.first === 1) {
        log(`store: the whole history is in the log: ${why}`);
        await exchange(() => storage.setAside());
        core.machine().startEpoch(newest.epoch);
      } else if (donors.length === 0) {
        giveUpOrphan(newest);
      }
    } finally {
      activity = undefined;
    }
  }

  /**
   * A stream that begins where nobody is any more, since who was there has been lost meanwhile, is followed by nobody:
   * nothing of it has been acknowledged.
   */
  function giveUpOrphan(newest: LogInfo): void {
    const live = comparison.live().filter((a) => names().includes(a.from));
    if (meta().epoch >= newest.epoch || live.length + 1 < names().length || live.some((a) => a.epoch >= newest.epoch)) {
      orphan = undefined;
      return;
    }
    if (orphan?.epoch !== newest.epoch) {
      orphan = { epoch: newest.epoch, since: timing.now() };
    }
    if (timing.now() - orphan.since >= ORPHAN_MS) {
      condemned = { epoch: newest.epoch, why: 'No instance can follow it.', at: -Infinity };
    }
  }

  /** @throws Error where this instance ends meanwhile. */
  function unlessEnding<T>(work: Promise<T>): Promise<T> {
    const { promise, reject } = Promise.withResolvers<never>();
    const end = (): void => reject(new Error('this instance is ending'));
    ending.signal.addEventListener('abort', end);
    return Promise.race([work, promise]).finally(() => ending.signal.removeEventListener('abort', end));
  }

  async function exchange(change: () => void): Promise<void> {
    core.exchange(change);
    unfit = (await storage.verify()).problems[0];
    comparison.forget();
    follower.retryAfter(0);
    kick.abort(OVER);
  }

  /** Beside the run loop: it may take minutes, and the log is followed meanwhile. */
  function scrub(): Promise<ScrubReport> {
    scrubbing ??= lookForDamage().finally(() => (scrubbing = undefined));
    return scrubbing;
  }

  async function lookForDamage(): Promise<ScrubReport> {
    const from = timing.now();
    last.scrubbed = from;
    const checked = core.machine();
    const { problems } = await storage.verify();
    // What was checked may have been exchanged meanwhile.
    if (ending.signal.aborted || checked !== core.machine()) {
      return { problems: [], healing: 'none', ms: timing.now() - from };
    }
    if (problems.length > 0) {
      unfit = problems[0];
      for (const problem of problems) {
        log(`store: ${problem}`);
      }
      kick.abort(OVER);
      return { problems, healing: 'reseeding', ms: timing.now() - from };
    }
    const newest = stream;
    if (newest === undefined || newest.epoch !== meta().epoch) {
      return { problems, healing: 'none', ms: timing.now() - from };
    }
    const machine = core.machine();
    const found = await pipe.inspect(newest, (a, b) =>
      machine === core.machine() ? machine.messageHashes(a, b) : new Map(),
    );
    const all = [...found.damaged, ...found.differing];
    // Where only the two differ, it is the stream's fault if most instances have applied what this one has; if not, the
    // comparison will tell.
    const blamed = found.damaged.length > 0 || (found.differing.length > 0 && comparison.agrees(names().length));
    if (machine === core.machine()) {
      for (const problem of all) {
        log(`store: ${problem}`);
      }
      if (blamed) {
        condemned = { epoch: newest.epoch, why: all[0] ?? '', at: timing.now() };
        kick.abort(OVER);
      } else if (all.length > 0) {
        last.scrubbed = from - scrubEveryMs + RESCRUB_MS;
      }
    }
    return { problems: all, healing: blamed ? 'rebuilding' : 'none', ms: timing.now() - from };
  }

  /** Whether this instance does what only one has to do. Two doing it at once is harmless. */
  function isFirst(): boolean {
    return applying() && stream !== undefined && comparison.live().every((a) => !a.applying || a.from > self);
  }
  const due = (what: keyof typeof last, everyMs: number): boolean => {
    if (timing.now() - last[what] < everyMs) {
      return false;
    }
    last[what] = timing.now();
    return true;
  };

  async function keepHouse(): Promise<void> {
    if (timing.now() - last.announced >= ANNOUNCE_MS) {
      announce();
    }
    if (unfit === undefined && comparison.odd(names().length)) {
      unfit = 'The hash chain is another one than on most instances.';
      log(`store: ${unfit}`);
    }
    if (follower.corrupt() && unfit === undefined) {
      unfit = follower.broken();
    }
    if (applying() && core.snapshotDue()) {
      void core.snapshot();
    }
    if (applying() && (core.doubtful() || due('scrubbed', scrubEveryMs))) {
      void scrub().catch((error: Error) => log(`store: not scrubbed: ${error.message}`));
    }
    const log_ = stream;
    if (log_ === undefined || !isFirst()) {
      return;
    }
    // Only what a majority has in a snapshot: whoever is alone would have the one copy of what goes. Who does not
    // apply, since his disk is full, holds up nobody.
    const sound = comparison.live().filter((a) => a.applying && names().includes(a.from));
    if ((sound.length + 1) * 2 > names().length && due('purged', PURGE_EVERY_MS)) {
      const snapshots = [
        newestSnapshot()?.message ?? -1,
        ...sound.map((a) => (a.epoch === log_.epoch ? a.snapshot : -1)),
      ];
      const below = Math.min(...snapshots) - (options.limits ?? LIMITS).logMargin;
      if (below > log_.first) {
        await pipe.purge(log_, below).catch((error: Error) => log(`store: the log was not purged: ${error.message}`));
      }
    }
    // Never fewer: who is missing is mostly replaced, and until then each server that there is has a copy.
    if (log_.replicas < replicasFor(names().length) && due('replicas', 30_000)) {
      await pipe
        .setReplicas(log_, replicasFor(names().length))
        .catch((error: Error) => log(`store: the stream keeps ${log_.replicas} copies: ${error.message}`));
    }
    const supported = schemaOfAll();
    if (supported > meta().schema && due('activation', 5_000)) {
      void replica
        .propose({ kind: 'schema.activate', actor: `cloud/${self}`, args: { version: supported } })
        .catch((error: Error) => log(`store: schema ${supported} was not activated: ${error.message}`));
    }
  }

  /** Newest schema that all registered instances support; 0 while one of them is not known. */
  function schemaOfAll(): number {
    const announced = new Map(comparison.live().map((a) => [a.from, a.supports]));
    announced.set(self, options.schema.at(-1)?.version ?? 0);
    return Math.min(...options.instances().map((i) => i.supports ?? announced.get(i.name) ?? 0));
  }

  async function run(): Promise<void> {
    while (!ending.signal.aborted) {
      const since = timing.now();
      try {
        kick = new AbortController();
        await attend();
        if (!ending.signal.aborted) {
          await keepHouse();
        }
        follower.retryAfter(RETRY_STOPPED_MS);
      } catch (error) {
        if (ending.signal.aborted) {
          return;
        }
        log(`store: ${(error as Error).message}`);
        openAgain();
      }
      const doubtful = missing !== undefined && timing.now() - missing.since < MISSING_MS;
      await timing.sleep(Math.max(50, (doubtful ? LOOK_AGAIN_MS : TICK_MS) - (timing.now() - since)), kick.signal);
    }
  }

  /** An exchange may have failed half-way, for lack of room. */
  function openAgain(): void {
    if (core.machine().db.open) {
      return;
    }
    try {
      core.exchange(() => undefined);
    } catch (error) {
      log(`store: the database cannot be opened: ${(error as Error).message}`);
    }
  }

  /** @returns the epoch that the message was logged under @throws NotLogged */
  async function send(message: Uint8Array): Promise<number> {
    const into = stream;
    if (into === undefined || into.epoch !== meta().epoch) {
      throw new NotLogged('there is no stream', false);
    }
    follower.offer(into.epoch, await pipe.publish(into, message), message);
    return into.epoch;
  }

  /** Logs an entry again and again, under whatever epoch there is, until it is applied here. */
  async function keepLogging(bytes: Uint8Array, alone: boolean, over: AbortSignal): Promise<never> {
    for (;;) {
      if (stream !== undefined && stream.epoch === meta().epoch) {
        try {
          const epoch = await grouping.log(bytes, alone, over);
          // Acknowledged; if its stream is lost before it comes to be applied here, it goes into the next one.
          while (!over.aborted && meta().epoch === epoch && stream !== undefined) {
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

  const replica: Replica = {
    async propose(draft): Promise<Outcome> {
      if (ending.signal.aborted) {
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
          keepLogging(bytes, command.kind === 'schema.activate', over.signal),
          timing.sleep(DEADLINE_MS, over.signal).then((): never => {
            if (settled) {
              return undefined as never;
            }
            if (ending.signal.aborted) {
              throw new Failure('store-stopped', 'The cloud is ending; the change may still be carried out.', {
                host: self,
                remedy: 'Ask another control plane, with the same id.',
              });
            }
            throw new Failure(
              'store-unavailable',
              `The change was not confirmed within ${DEADLINE_MS / 1000} s. It may still be carried out.`,
              { host: self, remedy: 'Try again with the same id.' },
            );
          }),
        ]);
      } finally {
        settled = true;
        underWay.delete(over);
        over.abort(OVER);
        cancel();
      }
    },
    get db() {
      return core.reader();
    },
    position: () => meta().position,
    waitFor: core.waitFor,
    onChange: core.onChange,
    status(): ReplicaStatus {
      const { epoch, message, position, chain, schema } = meta();
      const behind = Math.max(0, (stream?.last ?? message) - message);
      const state =
        activity ??
        (unfit !== undefined ? 'reseeding' : undefined) ??
        (follower.broken() !== undefined
          ? 'stopped'
          : stream === undefined || !follower.following() || schema === 0
            ? 'starting'
            : behind > READY_BEHIND
              ? 'catching-up'
              : 'ready');
      return {
        mode: 'cluster',
        state,
        reason,
        epoch,
        position,
        behind,
        chain,
        schema,
        snapshot: newestSnapshot()?.position ?? -1,
        peers: comparison.status(),
      };
    },
    scrub,
    async snapshot() {
      await core.snapshot();
    },
    async stop() {
      ending.abort(OVER);
      kick.abort(OVER);
      for (const over of underWay) {
        over.abort(OVER);
      }
      follower.stop();
      await running;
      peers.stop();
      core.close();
    },
  };

  peers.onAnnouncement((announcement) => {
    if (ending.signal.aborted || !core.machine().db.open) {
      return;
    }
    comparison.hear(announcement, core.machine());
    if (announcement.epoch > meta().epoch) {
      kick.abort(OVER);
    }
  });
  peers.onQuestion(async (question) => {
    if (ending.signal.aborted) {
      throw new Error('ending');
    }
    return question.ask === 'freeze'
      ? Buffer.from(JSON.stringify(freeze(question.epoch)))
      : serveSnapshot(question, core, storage);
  });
  announce();
  const running = run();
  return replica;
}
