import type { IncomingMessage } from 'node:http';
import { parseJson } from './json.ts';
import { HttpProblem } from './problem.ts';

const MAX_BYTES = 1024 * 1024;

/** Reads a body and forgets it, for routes that have none. @throws HttpProblem 413 */
export async function readBody(req: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of req) {
    size += (chunk as Buffer).length;
    if (size > MAX_BYTES) {
      throw new HttpProblem(413, 'too-large', 'The body is larger than 1 MiB.', { headers: { Connection: 'close' } });
    }
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}

/** Reads a JSON body. @throws HttpProblem 413, 415, 400 */
export async function readJson(req: IncomingMessage): Promise<unknown> {
  if (!/^application\/json *(;|$)/i.test(req.headers['content-type'] ?? '')) {
    throw new HttpProblem(415, 'not-json', 'The body must be application/json.');
  }
  const bytes = await readBody(req);
  try {
    return parseJson(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    if (error instanceof HttpProblem) {
      throw error;
    }
    throw new HttpProblem(400, 'not-json', 'The body is not valid JSON.');
  }
}
