import type { HostCheck } from '../check.ts';

export const check: HostCheck = {
  code: 'data-link',
  title: 'the folders are no links',
  scope: 'host',
  operations: ['install', 'join', 'upgrade'],
  judge({ facts }) {
    const { prefix, data, kubelet } = facts.storage;
    return [prefix, data, kubelet]
      .filter((f) => f.linkTo !== null)
      .map((f) => ({
        severity: 'fail' as const,
        message: `${f.path} leads over a symbolic link to ${f.linkTo}, which container runtimes do not cope with.`,
        remedy: 'Name the real folder by `paths:` in cluster.yaml, or mount it there.',
      }));
  },
};
