import type { Finding, HostCheck } from '../check.ts';
import type { OsFacts } from '../facts/os.ts';

export const check: HostCheck = {
  code: 'hostname',
  title: 'the name is one that Kubernetes takes',
  scope: 'host',
  operations: ['install', 'join'],
  judge({ name, named, facts }) {
    const how = named
      ? 'Change `name:` in cluster.yaml.'
      : 'Rename the machine (`hostnamectl set-hostname`), or give it a `name:` in cluster.yaml.';
    const label = name.replace(/\.$/, '');
    if (label === '' || label === 'localhost' || label.startsWith('localhost.') || label === '(none)') {
      return [
        {
          severity: 'fail',
          message: `The machine is called ${facts.os.hostname === '' ? 'nothing' : facts.os.hostname}.`,
          remedy: how,
        },
      ];
    }
    if (label.length > 54) {
      return [
        { severity: 'fail', message: `The name ${label} has ${label.length} characters; 54 are allowed.`, remedy: how },
      ];
    }
    if (!/^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/.test(label)) {
      return [
        {
          severity: 'fail',
          message: `The name ${label} is not one for Kubernetes: only letters, digits, dashes and dots.`,
          remedy: how,
        },
      ];
    }
    const after = named ? undefined : otherNameAfterBoot(facts.os);
    if (after !== undefined) {
      return [
        {
          ...after,
          remedy: `Run \`hostnamectl set-hostname ${facts.os.hostname}\`, or give it a \`name:\` in cluster.yaml.`,
        },
      ];
    }
    if (!named && facts.os.hostname !== label) {
      return [
        { severity: 'info', message: `The machine is called ${facts.os.hostname}; as a node it will be ${label}.` },
      ];
    }
    return [];
  },
};

/** Why the machine may have another name after the next boot; undefined where it will not. */
function otherNameAfterBoot({
  hostname,
  staticHostname,
  container,
}: OsFacts): Pick<Finding, 'severity' | 'message'> | undefined {
  const finding = (severity: Finding['severity'], why: string): Pick<Finding, 'severity' | 'message'> => ({
    severity,
    message: `The machine is called ${hostname} now, but ${why}.`,
  });
  // A container without a name of its own has the one that its manager gives it.
  if (staticHostname === null) {
    return container === null
      ? finding(
          'fail',
          'that is written nowhere (/etc/hostname is empty): the name comes from DHCP, or was set for this boot only',
        )
      : undefined;
  }
  const [own, now] = [staticHostname.toLowerCase(), hostname.toLowerCase()];
  if (own === now) {
    return undefined;
  }
  if (/^localhost(?:\.|$)/.test(own)) {
    return finding('fail', `/etc/hostname says ${staticHostname}: the name comes from DHCP`);
  }
  // With and without its domain: cloud providers' agents set one and write the other.
  return finding(
    own.split('.')[0] === now.split('.')[0] ? 'warn' : 'fail',
    `/etc/hostname says ${staticHostname}, which it may be called after the next boot`,
  );
}
