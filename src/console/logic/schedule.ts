import type { Schedule, ScheduleRun } from '../../api/schedules.ts';
import type { Tone } from './tone.ts';

export const RUN_TONE: Record<ScheduleRun['state'], Tone> = {
  running: 'idle',
  done: 'good',
  partial: 'warn',
  failed: 'bad',
  lost: 'bad',
};
export const SCHEDULE_TONE: Record<Schedule['state'], Tone> = { enabled: 'good', paused: 'idle', stopped: 'bad' };
export const CAUSES: Record<ScheduleRun['cause'], string> = {
  due: 'its time',
  again: 'instead of a lost one',
  asked: 'asked for',
};

/** Intervals to choose from, in seconds. */
export const INTERVALS = [30, 60, 300, 900, 3600, 21_600, 86_400, 604_800] as const;

/** Runs that did not end well. */
export const failuresOf = ({ counts }: Schedule): number => counts.partial + counts.failed + counts.lost;

/** An id for programs out of a name for people; empty where nothing of it can stay. */
export const idOf = (name: string): string =>
  name
    .normalize('NFKD')
    .replaceAll(/[^A-Za-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .toLowerCase()
    .slice(0, 60);

/** Why not all rows of a run are there; empty where they are. */
export function cutText({ cut, kept, rows }: ScheduleRun): string {
  const of = `${kept.toLocaleString('en-US')} of ${rows.toLocaleString('en-US')} rows are kept: `;
  switch (cut) {
    case 'rows':
      return `${of}a run keeps no more.`;
    case 'bytes':
      return `${of}a run keeps 1 MiB.`;
    case 'rate':
      return `${of}the schedules together bring more than the cloud can write.`;
    case 'dropped':
      return `${of}newer runs needed the room.`;
    default:
      return '';
  }
}

/** How long a run took, in words; empty while it is under way. */
export function tookText({ begunAt, endedAt }: ScheduleRun): string {
  if (endedAt === null) {
    return '';
  }
  const ms = Math.max(0, Date.parse(endedAt) - Date.parse(begunAt));
  return ms < 10_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 1000)} s`;
}
