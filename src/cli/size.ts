import { InvalidArgumentError } from 'commander';

const UNITS = { '': 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 } as const;

/** Reads an option that is a number of bytes, such as 500000, 64MiB, 1GiB. @param most bytes */
export function size(most: number): (text: string) => number {
  return (text) => {
    const [, digits = '', unit = ''] = /^([1-9]\d{0,15})(KiB|MiB|GiB)?$/.exec(text) ?? [];
    const bytes = Number(digits) * UNITS[unit as keyof typeof UNITS];
    if (bytes < 1 || bytes > most) {
      throw new InvalidArgumentError(`It must be a number of bytes, such as 500000 or 64MiB, up to ${sizeText(most)}.`);
    }
    return bytes;
  };
}

/** In the largest unit of which it is a whole number. */
export function sizeText(bytes: number): string {
  const [unit = '', factor = 1] = Object.entries(UNITS).findLast(([, f]) => bytes % f === 0) ?? [];
  return `${bytes / factor}${unit}`;
}
