import { readSync } from 'node:fs';

/**
 * Where the ELF file that starts at the beginning of `fd` ends: the furthest byte of its headers, segments and
 * sections.
 * @returns undefined if it is no 64-bit little-endian ELF file.
 */
export function elfSize(fd: number): number | undefined {
  const header = Buffer.alloc(64);
  if (
    readSync(fd, header, 0, 64, 0) !== 64 ||
    header.readUInt32BE(0) !== 0x7f454c46 ||
    header[4] !== 2 ||
    header[5] !== 1
  ) {
    return undefined;
  }
  const segments = {
    offset: Number(header.readBigUInt64LE(32)),
    size: header.readUInt16LE(54),
    count: header.readUInt16LE(56),
  };
  const sections = {
    offset: Number(header.readBigUInt64LE(40)),
    size: header.readUInt16LE(58),
    count: header.readUInt16LE(60),
  };
  let end = Math.max(
    64,
    segments.offset + segments.size * segments.count,
    sections.offset + sections.size * sections.count,
  );
  const table = Buffer.alloc(Math.max(segments.size * segments.count, sections.size * sections.count));
  readSync(fd, table, 0, segments.size * segments.count, segments.offset);
  for (let i = 0; i < segments.count; i += 1) {
    const at = i * segments.size;
    end = Math.max(end, Number(table.readBigUInt64LE(at + 8)) + Number(table.readBigUInt64LE(at + 32)));
  }
  readSync(fd, table, 0, sections.size * sections.count, sections.offset);
  for (let i = 0; i < sections.count; i += 1) {
    const at = i * sections.size;
    const NOBITS = 8;
    if (table.readUInt32LE(at + 4) !== NOBITS) {
      end = Math.max(end, Number(table.readBigUInt64LE(at + 24)) + Number(table.readBigUInt64LE(at + 32)));
    }
  }
  return end;
}
