import { statfsSync } from 'node:fs';

/** Bytes of the file system that state and stream lie on. */
export interface Space {
  free: number;
  total: number;
}

/** What ordinary users could still write below `path`. */
export function spaceOf(path: string): Space {
  const stat = statfsSync(path);
  return { free: stat.bavail * stat.bsize, total: stat.blocks * stat.bsize };
}

const GIB = 1024 ** 3;

/** Below this nothing is written any more: a full disk switches JetStream off on its server. */
export function tooFull(space: Space): boolean {
  return space.free < GIB || space.free < space.total * 0.07;
}
