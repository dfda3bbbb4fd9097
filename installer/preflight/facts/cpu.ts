import { availableParallelism } from 'node:os';
import { textOf } from './read.ts';

export interface CpuFacts {
  /** Processors that this process may use. */
  count: number;
  model: string;
  /** x86-64-v1 … v4; null on other architectures. */
  level: number | null;
}

const LEVELS: string[][] = [
  ['cx16', 'lahf_lm', 'popcnt', 'sse4_1', 'sse4_2', 'ssse3'],
  ['avx', 'avx2', 'bmi1', 'bmi2', 'f16c', 'fma', 'abm', 'movbe', 'xsave'],
  ['avx512f', 'avx512bw', 'avx512cd', 'avx512dq', 'avx512vl'],
];

export function cpuLevel(flags: Set<string>): number {
  const missing = LEVELS.findIndex((level) => !level.every((f) => flags.has(f)));
  return (missing === -1 ? LEVELS.length : missing) + 1;
}

export async function gatherCpu(): Promise<CpuFacts> {
  const info = (await textOf('/proc/cpuinfo')) ?? '';
  const flags = /^flags\s*: (.*)$/m.exec(info)?.[1];
  return {
    count: availableParallelism(),
    model: /^model name\s*: (.*)$/m.exec(info)?.[1] ?? '',
    level: flags === undefined ? null : cpuLevel(new Set(flags.split(' '))),
  };
}
