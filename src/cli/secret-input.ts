import { readFileSync } from 'node:fs';
import { EXIT, Failure } from '../errors.ts';
import type { Io } from './command.ts';

export interface SecretSource {
  /** Such as `token`. */
  what: string;
  /** The option's value: a file, or `-` for stdin. */
  file: string | undefined;
  /** Environment variable that may hold it. */
  variable?: string;
  /** Whether it may have spaces. */
  spaces?: true;
  /** Where it comes from, for who has not given it. */
  remedy: string;
}

const MOST_BYTES = 64 * 1024;

/**
 * A secret, which is never a word of a command line, where every process of the machine could read it: from a file,
 * from a variable of the environment, or from stdin, where that is no terminal.
 * @throws Failure `usage`
 */
export async function readSecret(io: Io, { what, file, variable, spaces, remedy }: SecretSource): Promise<string> {
  const usage = (message: string): Failure => new Failure('usage', message, { remedy, exitCode: EXIT.usage });
  const given = variable === undefined ? undefined : io.env[variable];
  let text: string;
  if (file !== undefined && file !== '-') {
    try {
      text = readFileSync(file, 'utf8');
    } catch (error) {
      throw usage(`The ${what} cannot be read from ${file}: ${(error as Error).message}.`);
    }
  } else if (file === undefined && given !== undefined) {
    text = given;
  } else if (file === undefined && io.stdin.isTTY === true) {
    throw usage(`No ${what} is given.`);
  } else {
    text = await readAll(io.stdin);
  }
  const secret = text.trim();
  if (secret === '') {
    throw usage(`No ${what} is given.`);
  }
  if (spaces !== true && /\s/.test(secret)) {
    throw usage(`What is given is no ${what}: it has more than one word.`);
  }
  return secret;
}

async function readAll(stream: NodeJS.ReadableStream): Promise<string> {
  let text = '';
  for await (const chunk of stream) {
    text += String(chunk);
    if (text.length > MOST_BYTES) {
      break;
    }
  }
  return text;
}
