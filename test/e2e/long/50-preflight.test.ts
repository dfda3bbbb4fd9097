import t, { type Test } from 'tap';
import { checkCluster } from '../support/cluster.ts';
import { bootLab, type Lab } from '../support/lab.ts';

/** One thing that is wrong with a lab: how it is made and taken away, and what preflight must say. */
interface Wrong {
  title: string;
  machine: string;
  make: string;
  unmake: string;
  code: string;
  /** Whether it ends an install; a warning does not. */
  fails: boolean;
  says: RegExp;
}

// The black hole, the sixth, needs a lab of its own: 10-networks.
const WRONG: Wrong[] = [
  {
    title: 'one port blocked one way between one pair',
    machine: 'node-b',
    make:
      "nft add table inet t; nft 'add chain inet t in { type filter hook input priority 0; }'; nft add rule inet t " +
      'in ip saddr 10.77.0.11 tcp dport 2380 drop',
    unmake: 'nft delete table inet t',
    code: 'port-blocked',
    fails: true,
    says: /node-a → node-b: port 2380 \(etcdPeer\) cannot be reached/,
  },
  {
    title: 'unknown TCP options are removed from a SYN',
    machine: 'node-b',
    make:
      "nft add table inet t; nft 'add chain inet t in { type filter hook prerouting priority -300; }'; nft add rule " +
      'inet t in reset tcp option 253',
    unmake: 'nft delete table inet t',
    code: 'syn-option',
    fails: false,
    says: /node-a → node-b: a device in between removes unknown TCP options/,
  },
  {
    title: 'the data directory does not let programs run',
    machine: 'node-c',
    make:
      'mkdir -p /srv/data /var/lib/terrarium; mount --bind /srv/data /var/lib/terrarium; mount -o ' +
      'remount,bind,noexec /var/lib/terrarium',
    unmake: 'umount /var/lib/terrarium; rmdir /var/lib/terrarium /srv/data',
    code: 'mount-noexec',
    fails: true,
    says: /below \/var\/lib\/terrarium: .*mounted noexec/,
  },
  {
    title: 'the kubelet of somebody else',
    machine: 'node-a',
    make: 'cp /bin/sleep /usr/local/sbin/kubelet; systemd-run --unit=kubelet /usr/local/sbin/kubelet 10000',
    unmake: 'systemctl stop kubelet; rm /usr/local/sbin/kubelet',
    code: 'foreign-kubelet',
    fails: true,
    says: /Another Kubernetes runs here: kubelet \(pid \d+, kubelet\.service\)/,
  },
  {
    title: 'a full disk',
    machine: 'node-c',
    make: 'fallocate -l $(($(df --output=avail -B1 / | tail -n 1) - 2000000000)) /ballast',
    unmake: 'rm /ballast',
    code: 'free-space',
    fails: true,
    says: /\/ has 1\.\d GiB free/,
  },
];

async function sh(t: Test, lab: Lab, machine: string, script: string): Promise<void> {
  const ended = await lab.exec(machine, 'sh', '-ec', script);
  t.equal(ended.exitCode, 0, `${script}: ${ended.stderr}`);
}

t.test(
  'preflight finds what is wrong with a machine, and nothing else; without it the machines are installed',
  async (t) => {
    const lab = await bootLab('--nodes', '3');
    t.teardown(() => lab.down());
    for (const { title, machine, make, unmake, code, fails, says } of WRONG) {
      await t.test(title, async (t) => {
        await sh(t, lab, machine, make);
        const checked = await lab.admin(['preflight', '-f', lab.clusterFile]);
        t.equal(checked.exitCode, fails ? 3 : 4, checked.stderr);
        t.match(checked.stdout, says);
        t.match(checked.stdout, new RegExp(`${fails ? '✖' : '!'} ${code} `));
        const failures = checked.stdout.split('\n').flatMap((l) => /✖ (\S+)/.exec(l)?.[1] ?? []);
        t.strictSame([...new Set(failures)], fails ? [code] : [], 'no other check fails');
        await sh(t, lab, machine, unmake);
      });
    }
    const installed = await lab.admin(['install', '-f', lab.clusterFile]);
    t.equal(installed.exitCode, 0, installed.stderr);
    await checkCluster(t, lab);
  },
);
