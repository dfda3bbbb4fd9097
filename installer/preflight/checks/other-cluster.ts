import type { ClusterCheck } from '../check.ts';

export const check: ClusterCheck = {
  code: 'other-cluster',
  title: 'no machine belongs to another cluster',
  scope: 'cluster',
  operations: ['install', 'join'],
  judge(members, context) {
    const owned = members.flatMap((m) => (m.facts.own.node === null ? [] : [{ member: m, node: m.facts.own.node }]));
    const expected = owned.find(({ node }) => node.cluster === context.file.name)?.node.clusterId;
    return owned.flatMap(({ member, node }) => {
      const remedy = `Run \`terrarium uninstall\` for ${member.address} if it is to be taken over, or leave it out.`;
      if (node.cluster !== context.file.name || node.clusterId !== expected) {
        return [
          {
            severity: 'fail' as const,
            host: member.name,
            message:
              `The machine is a node (${node.name}) of another cluster: ${node.cluster} ` +
              `(${node.clusterId.slice(0, 8)}).`,
            remedy,
          },
        ];
      }
      if (node.address !== member.address) {
        return [
          {
            severity: 'fail' as const,
            host: member.name,
            message:
              `The machine was installed as ${node.name} with the address ` + `${node.address}, not ${member.address}.`,
            remedy: `Use ${node.address} again, or run \`terrarium uninstall\` for it first.`,
          },
        ];
      }
      if (node.role !== member.role) {
        return [
          {
            severity: 'fail' as const,
            host: member.name,
            message: `The machine was installed as ${node.role}, not ${member.role}.`,
            remedy: `Give it \`role: ${node.role}\` in cluster.yaml, or run \`terrarium uninstall\` for it first.`,
          },
        ];
      }
      return [];
    });
  },
};
