import type { HostCheck } from '../check.ts';

const REASONS: Record<string, string> = { ENOSPC: 'the disk is full', EROFS: 'it is mounted read-only' };

export const check: HostCheck = {
  code: 'not-writable',
  title: 'the folders can be written',
  scope: 'host',
  operations: ['install', 'join', 'upgrade'],
  judge({ facts }) {
    const { prefix, data, kubelet } = facts.storage;
    return [prefix, data, kubelet]
      .filter((f) => f.execOk === null)
      .map((f) => ({
        severity: 'fail' as const,
        message:
          `Nothing can be written below ${f.exists}, where ${f.path} will lie: ` +
          `${REASONS[f.execError ?? ''] ?? f.execError}.`,
        remedy:
          f.execError === 'ENOSPC'
            ? 'Free some space there.'
            : 'Make it writable, or choose another folder by `paths:` in cluster.yaml.',
      }));
  },
};
