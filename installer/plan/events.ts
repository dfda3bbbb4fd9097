import { existsSync, renameSync } from 'node:fs';
import type { Event } from './coordinator.ts';
import { openLines, readLines } from './lines.ts';
import type { PlanEvent } from './types.ts';

/** events.jsonl: what a run tells, for everyone who follows it, now or later. */
export interface EventLog {
  emit(event: Event): void;
  close(): void;
}

export function openEvents(path: string): EventLog {
  const lines = openLines(path);
  return {
    emit(event) {
      const sync = event.type === 'plan' || event.type === 'leaf' || event.type === 'end';
      lines.append({ at: new Date().toISOString(), ...event } satisfies PlanEvent, { sync });
    },
    close: () => lines.close(),
  };
}

/**
 * Puts the events of an earlier run that came to its end aside (events.1.jsonl, …), so that who follows the next run
 * does not see the old one's end. Those of a run that was killed stay: the next one continues them.
 */
export function retireEvents(path: string): void {
  if (!hasEnded(path)) {
    return;
  }
  for (let n = 1; ; n += 1) {
    const aside = path.replace(/\.jsonl$/, `.${n}.jsonl`);
    if (existsSync(aside)) {
      continue;
    }
    renameSync(path, aside);
    return;
  }
}

/** Whether the last run told its end. */
export function hasEnded(path: string): boolean {
  return readLines<PlanEvent>(path).at(-1)?.type === 'end';
}
