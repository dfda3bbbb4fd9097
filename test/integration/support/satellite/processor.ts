import { readFileSync } from 'node:fs';

let lastTicks = { ticks: '', at: 0 };

/** Whether processes have not used the processor for a while. */
export function asleep(pids: number[]): boolean {
  const ticks = pids.map((pid) => readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ').slice(13, 15).join()).join(' ');
  const before = lastTicks;
  if (before.ticks !== ticks) {
    lastTicks = { ticks, at: Date.now() };
  }
  return before.ticks === ticks && Date.now() - before.at > 300;
}

/** The process that has worked for a second, and still does: others only start. */
export function busy(pids: number[]): number | undefined {
  return pids.find((pid) => {
    const [state, ...fields] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return state === 'R' && Number(fields[10]) + Number(fields[11]) > 100;
  });
}
