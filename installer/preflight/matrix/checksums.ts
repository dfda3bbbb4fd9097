import { textOf } from '../facts/read.ts';

/** `Name: a b c` and below it `Name: 1 2 3`, the form of /proc/net/snmp and netstat. */
const PAIRED = /^(\w+): (.*)\n\1: (.*)$/gm;

/**
 * Packets of any protocol that this machine (its network namespace) has received with a wrong checksum since the boot;
 * null where it is not counted.
 */
export async function checksumErrors(): Promise<number | null> {
  const texts = await Promise.all(['snmp', 'netstat', 'snmp6'].map((name) => textOf(`/proc/net/${name}`)));
  return countChecksumErrors(...texts.map((t) => t ?? ''));
}

/** @param texts of /proc/net/snmp, netstat and snmp6; TCP's counter is for both families. */
export function countChecksumErrors(...texts: string[]): number | null {
  const counts = texts.flatMap((text) => [
    ...[...text.matchAll(PAIRED)].flatMap(([, , names = '', values = '']) => {
      const at = names.split(' ').indexOf('InCsumErrors');
      return at === -1 ? [] : [Number(values.split(' ')[at])];
    }),
    ...[...text.matchAll(/^\w+InCsumErrors\s+(\d+)$/gm)].map((m) => Number(m[1])),
  ]);
  return counts.length === 0 ? null : counts.reduce((sum, n) => sum + n, 0);
}
