import type { HostCheck } from '../check.ts';

export const check: HostCheck = {
  code: 'mount-noexec',
  title: 'programs can be run where they will lie',
  scope: 'host',
  operations: ['install', 'join', 'upgrade'],
  judge({ facts }) {
    const { prefix, data, kubelet } = facts.storage;
    const bad = [prefix, data, kubelet].filter((f) => f.execOk === false);
    const seen = new Set<string>();
    return bad.flatMap((folder) => {
      if (seen.has(folder.mountPoint)) {
        return [];
      }
      seen.add(folder.mountPoint);
      const noexec = folder.mountOptions.includes('noexec');
      const why = noexec
        ? `${folder.mountPoint} (${folder.device}) is mounted noexec`
        : `a test program there ended with ${folder.execError}`;
      return [
        {
          severity: 'fail' as const,
          message: `No program can be run below ${folder.path}: ${why}.`,
          remedy: noexec
            ? `Remount it (\`mount -o remount,exec ${folder.mountPoint}\`, and in /etc/fstab), or choose other ` +
              `folders by \`paths:\` in cluster.yaml.`
            : 'Look for the reason in `journalctl -k` (SELinux, fapolicyd, an endpoint protection).',
        },
      ];
    });
  },
};
