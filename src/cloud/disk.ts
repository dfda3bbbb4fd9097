import { tooFull, type Space } from '../store/space.ts';

/** What is said of the file system with an instance's state. */
export interface Disk {
  /** The part that is free, 0 to 1; undefined where that cannot be told. */
  free(): number | undefined;
  /** Why nothing can be changed here, a sentence; undefined where there is room. */
  full(): string | undefined;
  /** That it will be so before long, a sentence; undefined where there is more than enough, or it is full. */
  low(): string | undefined;
}

const LOW = 0.15;

/**
 * The sentences stay the same while little changes: each instance tells the others of them, and every difference goes
 * to all who watch.
 * @param look the same that the state asks before each change
 */
export function watchDisk(look: () => Space): Disk {
  const current = (): { space: Space | undefined; error: string } => {
    try {
      return { space: look(), error: '' };
    } catch (error) {
      return { space: undefined, error: (error as Error).message };
    }
  };
  const free = (): number | undefined => {
    const { space } = current();
    return space === undefined ? undefined : space.free / Math.max(space.total, 1);
  };
  const full = (): string | undefined => {
    const { space, error } = current();
    if (space === undefined) {
      return `It cannot be told how much of the disk of the cloud is free: ${error}.`;
    }
    return tooFull(space)
      ? 'There is too little free space on the disk of the cloud, so that nothing can be changed here: free some, 7 ' +
          '% and 1 GiB are the least.'
      : undefined;
  };
  return {
    free,
    full,
    low() {
      const part = free();
      if (part === undefined || part >= LOW || full() !== undefined) {
        return undefined;
      }
      return (
        `Only ${Math.floor(part * 100)} % of the disk of the cloud are free; below 7 % or 1 GiB nothing can be ` +
        'changed here.'
      );
    },
  };
}
