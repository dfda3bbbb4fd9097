/** How long ago, in words, such as `4 s` or `3 h`. */
export function ago(iso: string, now: number): string {
  const seconds = Math.max(0, Math.round((now - Date.parse(iso)) / 1000));
  if (Number.isNaN(seconds)) {
    return '–';
  }
  if (seconds < 60) {
    return `${seconds} s`;
  }
  if (seconds < 3600) {
    return `${Math.floor(seconds / 60)} min`;
  }
  if (seconds < 86_400) {
    return `${Math.floor(seconds / 3600)} h`;
  }
  return `${Math.floor(seconds / 86_400)} d`;
}

/** In how long, in the same words; `now` for what has passed. */
export const ahead = (iso: string, now: number): string =>
  Date.parse(iso) <= now ? 'now' : `in ${ago(new Date(now).toISOString(), Date.parse(iso))}`;
