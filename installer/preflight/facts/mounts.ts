/** A line of /proc/self/mountinfo. */
export interface Mount {
  at: string;
  /** Major and minor number, `254:0`. */
  number: string;
  device: string;
  filesystem: string;
  options: string[];
}

/** @param mountinfo text of /proc/self/mountinfo; the result is in its order, later mounts hide earlier ones. */
export function parseMounts(mountinfo: string): Mount[] {
  return mountinfo.split('\n').flatMap((line) => {
    const [left = '', right = ''] = line.split(' - ');
    const l = left.split(' ');
    const [filesystem = '', device = '', superOptions = ''] = right.split(' ');
    if (filesystem === '') {
      return [];
    }
    return [
      {
        at: unescape(l[4] ?? ''),
        number: l[2] ?? '',
        device: unescape(device),
        filesystem,
        options: [...new Set([...(l[5] ?? '').split(','), ...superOptions.split(',')])],
      },
    ];
  });
}

function unescape(path: string): string {
  return path.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
}
