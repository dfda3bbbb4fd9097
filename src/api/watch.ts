import type { Role } from './access.ts';
import { type SatelliteInfo, someIds } from './satellites.ts';

/**
 * What a watch can be asked for; the kinds beside `overview` and `fleet`, which are events of these names, come as
 * events `change`, with the position as id.
 */
export const TOPICS = [
  'overview',
  'fleet',
  'users',
  'tokens',
  'enrolment-tokens',
  'sessions',
  'saved-queries',
  'schedules',
  'satellites',
  'audit',
] as const;
export type Topic = (typeof TOPICS)[number];

/** The first event of a watch, `start`. */
export interface WatchStart {
  /** From where on changes are told. */
  seq: number;
  /** The fleet's, as in the overview. */
  version: number;
  /** As whom it is heard: a reader that had another role before has missed the change. */
  user: string;
  role: Role;
}
/** An event `change` of a watch. */
export interface ChangeLine {
  seq: number;
  topic: Topic;
  change: 'created' | 'changed' | 'deleted';
  key: string;
  /** As a GET shows it now; null where it is deleted, or is not there any more. */
  item: unknown;
}

/** A satellite's heartbeat, as a watch tells it of those that it follows. */
export type Beat = Pick<SatelliteInfo, 'id' | 'lastSeen' | 'load'>;
/** An event `fleet` of a watch: at most one a second. */
export interface FleetLine {
  /** As in the overview. */
  version: number;
  /** As a list shows them, without tables: new, or changed in more than a heartbeat's time and load. */
  items: SatelliteInfo[];
  gone: string[];
  beats: Beat[];
  /** More have changed than are told one by one: read anew what you show. */
  many: boolean;
}
/** `?follow=n1,n2`: whose heartbeats an event `fleet` has. */
export const followSchema = someIds;
