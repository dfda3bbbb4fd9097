import type { NatsConnection } from '@nats-io/transport-node';
import type { CloudInfo } from '../api/overview.ts';
import { announcementSchema, decode, encode, type Announcement } from '../bus/frames.ts';
import { listen } from '../bus/listen.ts';
import { nameOf, subjects } from '../bus/subjects.ts';
import { guarded } from '../guarded.ts';
import type { Changes } from './changes.ts';

const ANNOUNCE_MS = 2_000;
const SILENT_MS = 6_000;
/** What an instance has signed outlives its last announcement by a minute at most. */
const KEY_MS = 90_000;

/** The cloud's instances: each tells the others of itself, so that each can show all. */
export interface Instances {
  /** With `expected` instances that were not heard of at all shown as unreachable. */
  all(expected: string[]): CloudInfo[];
  /** By which those that were heard a moment ago sign tokens of direct queries. */
  directKeys(): string[];
  listen(nc: NatsConnection): void;
  stop(): void;
}

interface Heard {
  announcement: Announcement;
  at: number;
}

export function createInstances(
  self: () => Announcement,
  changes: Changes,
  log: (line: string) => void,
  now: () => number = Date.now,
): Instances {
  const heard = new Map<string, Heard>();
  const startedAt = now();
  let nc: NatsConnection | undefined;
  let shown = '';

  const announce = (): void => {
    const own = self();
    heard.set(own.name, { announcement: own, at: now() });
    nc?.publish(subjects.cloud(own.name), encode(own));
    // Silence is a change too.
    const states = JSON.stringify([...heard.values()].map((h) => [h.announcement, now() - h.at > SILENT_MS]));
    if (states !== shown) {
      changes.notify();
    }
    shown = states;
  };
  const timer = setInterval(guarded('instances', log, announce), ANNOUNCE_MS);

  return {
    all(expected) {
      const known = [...heard.values()]
        .filter(
          (h) =>
            expected.includes(h.announcement.node) || h.announcement.name === self().name || now() - h.at <= SILENT_MS,
        )
        .map((h) => infoOf(h, now()));
      const missing = expected
        .filter((node) => !known.some((k) => k.node === node))
        .map((node): CloudInfo => ({
          name: node,
          node,
          ready: false,
          state: 'unreachable',
          reason: 'Not heard of since this instance started.',
          version: '',
          nats: { role: 'none', peers: [], version: '' },
          lastSeen: new Date(startedAt).toISOString(),
        }));
      return [...known, ...missing].sort((a, b) => a.name.localeCompare(b.name));
    },
    directKeys: () =>
      [...heard.values()].flatMap((h) =>
        h.announcement.directKey === undefined || now() - h.at > KEY_MS ? [] : [h.announcement.directKey],
      ),
    listen(connection) {
      nc = connection;
      listen(connection, subjects.allClouds, { log }, (msg) => {
        const announcement = decode(announcementSchema, msg.string());
        if (
          announcement === undefined ||
          nameOf(msg.subject.split('.')[1] ?? '') !== announcement.name ||
          announcement.name === self().name
        ) {
          return;
        }
        heard.set(announcement.name, { announcement, at: now() });
      });
      announce();
    },
    stop: () => clearInterval(timer),
  };
}

function infoOf({ announcement: a, at }: Heard, now: number): CloudInfo {
  const lastSeen = new Date(at).toISOString();
  if (now - at > SILENT_MS) {
    return {
      name: a.name,
      node: a.node,
      ready: false,
      state: 'unreachable',
      reason: `Not heard of since ${lastSeen}.`,
      version: a.version,
      nats: { ...a.nats, role: 'none' },
      lastSeen,
    };
  }
  return {
    name: a.name,
    node: a.node,
    ready: a.ready,
    state: a.ready ? 'healthy' : 'not-ready',
    ...(a.reason === undefined ? {} : { reason: a.reason }),
    ...(a.warning === undefined ? {} : { warning: a.warning }),
    version: a.version,
    nats: a.nats,
    lastSeen,
  };
}
