import { HttpProblem } from './problem.ts';

/** Of arrays and objects within one another; no request has more than ten. */
const MAX_LEVELS = 64;

/**
 * Parses what a client has sent. How deep it goes is judged by the text alone, since all that walks through a value
 * level by level, as a schema does, runs out of stack in one of some thousand levels.
 * @throws SyntaxError, HttpProblem 400 `too-deep`
 */
export function parseJson(text: string): unknown {
  if (isTooDeep(text)) {
    throw new HttpProblem(400, 'too-deep', `The JSON is nested deeper than ${MAX_LEVELS} levels.`);
  }
  return JSON.parse(text);
}

/** What is said of a text that is no JSON does not matter: it is refused as that. */
function isTooDeep(text: string): boolean {
  let level = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const c = text[at];
    if (quoted) {
      if (c === '\\') {
        at += 1;
      } else if (c === '"') {
        quoted = false;
      }
    } else if (c === '"') {
      quoted = true;
    } else if (c === '[' || c === '{') {
      level += 1;
    } else if (c === ']' || c === '}') {
      level -= 1;
    }
    if (level > MAX_LEVELS) {
      return true;
    }
  }
  return false;
}
