import type { Ports } from '../../cluster/ports.ts';
import type { Host } from '../../hosts/host.ts';
import type { Member } from '../check.ts';
import type { Pair } from './result.ts';

export interface MatrixHost {
  host: Host;
  member: Member;
  /** Command line of our program there. */
  program: string[];
}

export interface MatrixOptions {
  signal?: AbortSignal | undefined;
  helper?: string | undefined;
}

/** Tries every way between the hosts at once. */
export async function runMatrix(_hosts: MatrixHost[], _ports: Ports, _options: MatrixOptions): Promise<Pair[]> {
  return await Promise.resolve([]);
}
