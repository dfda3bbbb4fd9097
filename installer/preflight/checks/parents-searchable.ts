import type { HostCheck } from '../check.ts';

export const check: HostCheck = {
  code: 'parents-searchable',
  title: 'other users may pass through the folders above',
  scope: 'host',
  operations: ['install', 'join', 'upgrade'],
  judge({ facts }) {
    const { prefix, data } = facts.storage;
    return [prefix, data]
      .filter((f) => f.unsearchable !== null)
      .map((f) => ({
        severity: 'fail' as const,
        message:
          `${f.unsearchable} lets no other users through, so that containers running as ` +
          `such cannot reach ${f.path}.`,
        remedy: `Run \`chmod o+x ${f.unsearchable}\`, or choose another folder by \`paths:\` in cluster.yaml.`,
      }));
  },
};
