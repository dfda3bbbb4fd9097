import type { HostCheck } from '../check.ts';

export const check: HostCheck = {
  code: 'own-state',
  title: 'what is here of this product can be understood',
  scope: 'host',
  operations: ['install', 'join'],
  judge({ facts }, context) {
    if (facts.own.nodeBroken) {
      return [
        {
          severity: 'fail',
          message:
            `${context.data}/node.json is damaged, so that it cannot be told to which ` +
            'cluster this machine belongs.',
          remedy: 'Run `terrarium uninstall` for this machine, then the same command again.',
        },
      ];
    }
    if (facts.own.node?.state === 'installed') {
      return [{ severity: 'info', message: `The machine is already a node of ${facts.own.node.cluster}.` }];
    }
    if (facts.own.node !== null) {
      return [
        {
          severity: 'info',
          message: `An install of ${facts.own.node.cluster} was begun here; it will be taken up again.`,
        },
      ];
    }
    return [];
  },
};
