import { access, constants } from 'node:fs/promises';

/** Where each program is found; null where it is not. */
export type ToolFacts = Record<string, string | null>;

/** Programs of the host that the kubelet, containerd and our own phases call. */
export const TOOLS = [
  'mount',
  'umount',
  'systemctl',
  'modprobe',
  'sysctl',
  'ip',
  'nft',
  'swapoff',
  'tee',
  'sha256sum',
  'journalctl',
];
const FOLDERS = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

export async function gatherTools(): Promise<ToolFacts> {
  const found = await Promise.all(
    TOOLS.map(async (tool): Promise<[string, string | null]> => [tool, await find(tool)]),
  );
  return Object.fromEntries(found);
}

async function find(tool: string): Promise<string | null> {
  for (const folder of FOLDERS) {
    const path = `${folder}/${tool}`;
    if (
      await access(path, constants.X_OK).then(
        () => true,
        () => false,
      )
    ) {
      return path;
    }
  }
  return null;
}
