import { isIPv4, isIPv6 } from 'node:net';

function familyOf(address: string): 4 | 6 | undefined {
  if (isIPv4(address)) {
    return 4;
  }
  return isIPv6(address) ? 6 : undefined;
}

/** First and last address of a CIDR as numbers; undefined for anything else. */
export function cidrRange(cidr: string): { family: 4 | 6; first: bigint; last: bigint } | undefined {
  const [address = '', length = ''] = cidr.split('/');
  const family = familyOf(address);
  if (family === undefined) {
    return undefined;
  }
  const width = family === 4 ? 32 : 128;
  const bits = length === '' ? width : Number(length);
  if (!(bits >= 0 && bits <= width)) {
    return undefined;
  }
  const host = (1n << BigInt(width - bits)) - 1n;
  const value =
    family === 4 ? address.split('.').reduce((sum, part) => sum * 256n + BigInt(part), 0n) : ipv6Value(address);
  return { family, first: value & ~host, last: value | host };
}

function ipv6Value(address: string): bigint {
  const plain = new URL(`http://[${address}]/`).hostname.slice(1, -1);
  const [left = '', right] = plain.split('::');
  const words = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const head = words(left);
  const tail = words(right ?? '');
  const all =
    right === undefined
      ? head
      : [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => '0'), ...tail];
  return all.reduce((sum, word) => sum * 65536n + BigInt(parseInt(word, 16)), 0n);
}

export function overlaps(a: string, b: string): boolean {
  const x = cidrRange(a);
  const y = cidrRange(b);
  return x !== undefined && y !== undefined && x.family === y.family && x.first <= y.last && y.first <= x.last;
}
