import type { HostCheck } from '../check.ts';

export const check: HostCheck = {
  code: 'hostname',
  title: 'the name is one that Kubernetes takes',
  scope: 'host',
  operations: ['install', 'join'],
  judge({ name, named, facts }) {
    const how = named ? 'Change `name:` in cluster.yaml.' : 'Rename the machine (`hostnamectl set-hostname`), or give it a `name:` in cluster.yaml.';
    const label = name.replace(/\.$/, '');
    if (label === '' || label === 'localhost' || label.startsWith('localhost.') || label === '(none)') return [{ severity: 'fail', message: `The machine is called ${facts.os.hostname === '' ? 'nothing' : facts.os.hostname}.`, remedy: how }];
    if (label.length > 54) return [{ severity: 'fail', message: `The name ${label} has ${label.length} characters; 54 are allowed.`, remedy: how }];
    if (!/^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/.test(label)) return [{ severity: 'fail', message: `The name ${label} is not one for Kubernetes: only letters, digits, dashes and dots.`, remedy: how }];
    if (!named && facts.os.hostname !== label) return [{ severity: 'info', message: `The machine is called ${facts.os.hostname}; as a node it will be ${label}.` }];
    return [];
  },
};
