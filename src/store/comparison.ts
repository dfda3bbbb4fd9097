import type { Machine } from './machine.ts';
import type { Announcement } from './pipe.ts';
import type { PeerStatus } from './replica.ts';
import type { Timing } from './timing.ts';

/** An instance that has announced nothing for so long does not count. */
export const SILENT_MS = 15_000;

/** What is known of the other instances, and whether their hash chains are ours. */
export interface Comparison {
  hear(announcement: Announcement, machine: Machine): void;
  /** Those heard lately. */
  live(): Announcement[];
  /** Live ones whose chain is another than ours. */
  differs(): string[];
  /** Whether a majority of `instances` has another chain than ours: then it is ours that is wrong. */
  odd(instances: number): boolean;
  /** Whether a majority of `instances`, this one included, is known to have our chain. */
  agrees(instances: number): boolean;
  status(): PeerStatus[];
  /** After our database was exchanged. */
  forget(): void;
}

export function openComparison(self: string, timing: Timing): Comparison {
  const peers = new Map<string, { announcement: Announcement; at: number; equal: boolean | undefined }>();
  const silent = (at: number): boolean => timing.now() - at > SILENT_MS;
  const differing = (): string[] =>
    [...peers].filter(([, p]) => !silent(p.at) && p.equal === false).map(([name]) => name);
  return {
    hear(announcement, machine) {
      const before = peers.get(announcement.from);
      const meta = machine.meta();
      // An instance that is ahead compares us; until then what was known of its epoch stays.
      let equal = before?.announcement.epoch === announcement.epoch ? before.equal : undefined;
      if (announcement.differs.includes(self)) {
        equal = false;
      }
      if (announcement.epoch === meta.epoch && announcement.message <= meta.message) {
        const ours = machine.chainAt(announcement.message);
        if (ours !== undefined) {
          equal = ours === announcement.chain;
        }
      }
      // One that found us different and no longer does: one of the two has been replaced.
      else if (before?.announcement.differs.includes(self) === true && !announcement.differs.includes(self)) {
        equal = undefined;
      }
      peers.set(announcement.from, { announcement, at: timing.now(), equal });
    },
    live: () => [...peers.values()].filter((p) => !silent(p.at)).map((p) => p.announcement),
    differs: differing,
    agrees: (instances) =>
      [...peers.values()].filter((p) => !silent(p.at) && p.equal === true).length + 1 > instances / 2,
    odd: (instances) => differing().length > instances / 2,
    status: () =>
      [...peers].map(([name, { announcement, at, equal }]) => ({
        name,
        epoch: announcement.epoch,
        position: announcement.position,
        schema: announcement.supports,
        silentMs: timing.now() - at,
        equal,
      })),
    forget() {
      for (const peer of peers.values()) {
        peer.equal = undefined;
      }
    },
  };
}
