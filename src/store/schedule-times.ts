import { hash } from 'node:crypto';

/**
 * When schedules run. All of them are times in milliseconds since 1970 by proposers' clocks, which may differ and jump;
 * a schedule's times are `anchor + n * interval`, so that a late run does not shift the ones after it.
 */

/** Schedules that are made in the same moment begin over this time. */
const SPREAD_MS = 60_000;
/**
 * Clocks of instances may differ by so much before a next run is taken for one that a clock that was wrong has
 * reckoned.
 */
const CLOCK_SLACK_MS = 60_000;

/**
 * The first time of a schedule that begins to count now: soon, and not that of all others that begin in the same
 * moment.
 */
export function firstTime(id: string, interval: number, now: number): number {
  return now + (Number.parseInt(hash('sha256', id, 'hex').slice(0, 8), 16) % Math.min(interval, SPREAD_MS));
}

/** The schedule's first time after `now`; the clock may have been set back to before the anchor. */
export function timeAfter(anchor: number, interval: number, now: number): number {
  return anchor + (Math.floor((now - anchor) / interval) + 1) * interval;
}

/** How many of the schedule's times are in (from, to]. */
export function timesBetween(anchor: number, interval: number, from: number, to: number): number {
  return Math.max(0, Math.floor((to - anchor) / interval) - Math.floor((from - anchor) / interval));
}

/**
 * Whether it is to run now. A time farther away than any should be was reckoned by a clock that has been set back
 * since.
 */
export function isDue({ nextAt, interval }: { nextAt: number; interval: number }, now: number): boolean {
  return nextAt <= now || nextAt > now + Math.max(interval, SPREAD_MS) + CLOCK_SLACK_MS;
}
