import type { Problem } from '../../api/problem.ts';

const firstLower = (text: string): string =>
  /^[A-Z][a-z]/.test(text) ? text.charAt(0).toLowerCase() + text.slice(1) : text;

/** An answer that is an error as one sentence, with the first field that is wrong where it names any. */
export function sentenceOf(problem: Problem): string {
  const first = problem.errors?.[0];
  if (first === undefined) {
    return problem.title;
  }
  const where = first.path === '' ? '' : `${first.path}: `;
  const title = problem.title.replace(/\.$/, '');
  return `${title}${where === '' ? ': ' : '; '}${where}${firstLower(first.message).replace(/\.$/, '')}.`;
}

/** What to show of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error && error.message !== ''
    ? error.message
    : 'Something went wrong in this page. Load it again.';
}
