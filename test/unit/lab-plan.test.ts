import t from 'tap';
import { parse } from 'yaml';
import { hostTargets, parseClusterFile } from '../../installer/cluster/spec.ts';
import {
  dnsmasqConf,
  guestFiles,
  hostsFile,
  networkFile,
  pamUmaskLine,
  resolvConf,
} from '../../installer/lab/guest-files.ts';
import { checkOptions, findMachine, mtus, planMachines, type LabOptions } from '../../installer/lab/plan.ts';
import { clusterYaml, knownHosts, sshConfig } from '../../installer/lab/user-files.ts';

const plain: LabOptions = {
  nodes: 3,
  dir: '/var/lib/terrarium-lab',
  diskGiB: 20,
  mtu: undefined,
  blackHole: undefined,
  route: true,
  dns: true,
  ipv6Only: false,
  umask: undefined,
  hostnameCase: false,
};

t.test('names, MACs and addresses are the same each time and differ between machines', async (t) => {
  const machines = planMachines({ ...plain, nodes: 5 });
  t.same(
    machines.map((m) => m.name),
    ['node-a', 'node-b', 'node-c', 'node-d', 'node-e'],
  );
  t.same(
    machines.map((m) => m.address),
    ['10.77.0.11', '10.77.0.12', '10.77.0.13', '10.77.0.14', '10.77.0.15'],
  );
  t.same(machines[0], {
    name: 'node-a',
    index: 1,
    mac: '02:74:72:6d:00:01',
    ipv4: '10.77.0.11',
    ipv6: 'fd77::11',
    address: '10.77.0.11',
    hostInterface: 'trm-1',
  });
  t.equal(new Set(machines.map((m) => m.mac)).size, 5);
  t.same(
    planMachines({ ...plain, hostnameCase: true }).map((m) => m.name),
    ['Node-A', 'Node-B', 'Node-C'],
  );
  const only6 = planMachines({ ...plain, ipv6Only: true });
  t.same(
    only6.map((m) => [m.ipv4, m.address]),
    [
      [undefined, 'fd77::11'],
      [undefined, 'fd77::12'],
      [undefined, 'fd77::13'],
    ],
  );
});

t.test('options out of range are refused by name', async (t) => {
  checkOptions(plain);
  checkOptions({ ...plain, umask: '077', mtu: 1280, ipv6Only: true });
  const wrong: [Partial<LabOptions>, RegExp][] = [
    [{ nodes: 0 }, /1 to 5 machines/],
    [{ nodes: 6 }, /1 to 5 machines/],
    [{ nodes: Number.NaN }, /1 to 5 machines/],
    [{ mtu: 100 }, /--mtu/],
    [{ mtu: 1279, ipv6Only: true }, /--mtu/],
    [{ blackHole: 1500 }, /--black-hole/],
    [{ mtu: 1400, blackHole: 1400 }, /contradict/],
    [{ umask: '79' }, /--umask/],
    [{ umask: '0888' }, /--umask/],
    [{ diskGiB: 1 }, /--disk/],
    [{ dir: 'lab' }, /--dir/],
    [{ dir: '/a,b' }, /--dir/],
  ];
  for (const [change, message] of wrong) {
    t.throws(() => checkOptions({ ...plain, ...change }), { message }, JSON.stringify(change));
  }
});

t.test('a black hole is smaller at the bridge than the machine believes', async (t) => {
  t.same(mtus({ mtu: undefined, blackHole: undefined }), { guest: 1500, bridge: 1500 });
  t.same(mtus({ mtu: 1400, blackHole: undefined }), { guest: 1400, bridge: 1400 });
  t.same(mtus({ mtu: undefined, blackHole: 1400 }), { guest: 1500, bridge: 1400 });
});

t.test('a machine is found in whatever case, another is refused', async (t) => {
  const machines = planMachines({ ...plain, hostnameCase: true });
  t.equal(findMachine(machines, 'node-b').name, 'Node-B');
  t.throws(() => findMachine(machines, 'node-d'), {
    code: 'no-such-machine',
    message: 'The lab has no machine named node-d.',
    remedy: 'Its machines are Node-A, Node-B, Node-C.',
  });
});

t.test('network files follow the options', async (t) => {
  const [machine] = planMachines(plain);
  if (machine === undefined) {
    throw new Error('no machine');
  }
  const usual = networkFile(machine, plain);
  t.match(usual, /Address=10\.77\.0\.11\/24/);
  t.match(usual, /Address=fd77::11\/64/);
  t.match(usual, /Gateway=10\.77\.0\.1\n/);
  t.notMatch(networkFile(machine, { ...plain, route: false }), /Gateway/);
  t.match(networkFile(machine, { ...plain, mtu: 1400 }), /MTUBytes=1400/);
  t.match(networkFile(machine, { ...plain, blackHole: 1400 }), /MTUBytes=1500/);
  const six = { ...plain, ipv6Only: true };
  const [only6] = planMachines(six);
  if (only6 === undefined) {
    throw new Error('no machine');
  }
  t.notMatch(networkFile(only6, six), /10\.77/);
  t.match(networkFile(only6, six), /Gateway=fd77::1\n/);
  t.equal(resolvConf(plain), 'nameserver 10.77.0.1\n');
  t.equal(resolvConf(six), 'nameserver fd77::1\n');
  t.equal(resolvConf({ ...plain, dns: false }), '');
});

t.test('/etc/hosts names the machine and none of its peers', async (t) => {
  t.match(hostsFile('node-a'), /^127\.0\.0\.1\tlocalhost\n127\.0\.1\.1\tnode-a\n/);
  const files = guestFiles(planMachines(plain)[0]!, plain, {
    machineId: 'f'.repeat(32),
    publicKey: 'ssh-ed25519 AAAA lab\n',
  });
  for (const f of files) {
    t.notMatch(f.content, /node-b|10\.77\.0\.12|fd77::12/, f.path);
  }
  t.equal(files.find((f) => f.path === '/etc/machine-id')?.content, `${'f'.repeat(32)}\n`);
  t.equal(
    files.some((f) => f.path.includes('umask')),
    false,
  );
  t.equal(pamUmaskLine(plain), '');
  t.match(pamUmaskLine({ umask: '077' }), /umask=0077/);
});

t.test('the name server knows the machines and nothing else', async (t) => {
  const conf = dnsmasqConf(planMachines({ ...plain, hostnameCase: true }));
  t.match(conf, /^host-record=node-a,10\.77\.0\.11$/m);
  t.match(conf, /^no-resolv$/m);
  t.match(conf, /^local=\/#\/$/m);
});

t.test('cluster.yaml is what install takes', async (t) => {
  for (const options of [plain, { ...plain, nodes: 1 }, { ...plain, ipv6Only: true, hostnameCase: true, nodes: 5 }]) {
    const machines = planMachines(options);
    const targets = hostTargets(parseClusterFile(parse(clusterYaml(machines, options.dir)), 'cluster.yaml'), {
      user: 'root',
      port: 22,
      key: undefined,
    });
    t.same(
      targets.map((x) => x.address),
      machines.map((m) => m.address),
    );
    t.same(targets[0]?.ssh, {
      address: machines[0]?.address,
      port: 22,
      user: 'admin',
      key: '/var/lib/terrarium-lab/id_ed25519',
      knownHosts: '/var/lib/terrarium-lab/known_hosts',
    });
    t.ok(targets.every((x) => x.role === 'control-plane'));
  }
});

t.test('ssh files', async (t) => {
  const machines = planMachines({ ...plain, nodes: 1, hostnameCase: true });
  t.match(
    sshConfig(machines, '/l'),
    /^Host Node-A node-a\n {2}HostName 10\.77\.0\.11\nHost \*\n {2}User admin\n {2}IdentityFile \/l\/id_ed25519\n/,
  );
  t.equal(
    knownHosts([{ machine: machines[0]!, publicKeys: ['ssh-ed25519 AAAA root@x\n'] }]),
    '10.77.0.11,fd77::11 ssh-ed25519 AAAA\n',
  );
});
