import { chromium } from 'playwright-core';
import t, { type Test } from 'tap';
import { checkCluster, checkQuery, kubeList, type Pod } from './support/cluster.ts';
import { login } from './support/console.ts';
import { bootLab, eventually, type Lab } from './support/lab.ts';
import { leadBus, leadEtcd } from './support/leaders.ts';

/** Logs in to the console and looks for a process on `first` by a query. */
async function findInConsole(t: Test, lab: Lab, first: Lab['machines'][number], password: string): Promise<void> {
  const browser = await chromium.launch({
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-dev-shm-usage',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
    ],
  });
  t.teardown(() => browser.close());
  const page = await browser.newPage({ ignoreHTTPSErrors: true });
  page.setDefaultTimeout(30_000);
  await page.goto(`https://${first.address}:8443/`);
  await page.getByLabel('Password').fill(password);
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Later' }).press('Enter');
  await page.locator('[data-kind=nodes] tbody tr').nth(2).waitFor();
  t.equal(await page.locator('[data-kind=nodes] tbody tr').count(), 3, 'three nodes');
  await lab.exec(first.name, 'sh', '-c', 'setsid sleep 31415.9 > /dev/null 2>&1 &');
  await page.getByRole('link', { name: 'Query' }).click();
  for (const { name } of lab.machines.slice(1)) {
    await page.getByRole('checkbox', { name: name.toLowerCase() }).press('Space');
  }
  await page
    .getByLabel('SQL')
    .fill("select name, cmdline from processes where cmdline like '%31415.9%' and name = 'sleep'");
  await page.getByLabel('SQL').press('Control+Enter');
  await page.locator('[data-kind=result] tbody tr').first().waitFor();
  t.match(await page.locator('[data-kind=result] tbody tr').first().textContent(), /sleep 31415\.9/);
}

/** Cuts the power of `first`, which leads all; the others go on. */
async function losePower(t: Test, lab: Lab, first: Lab['machines'][number], password: string): Promise<void> {
  await leadEtcd(lab, first.name);
  await leadBus(lab, first.name);
  const stopped = await lab.admin(['lab', 'stop', first.name]);
  t.equal(stopped.exitCode, 0, stopped.stderr);
  const cut = Date.now();
  const status = await eventually(
    () => lab.admin(['status'], { timeoutMs: 60_000 }),
    (s) => s.exitCode !== 0 && s.stdout.includes(first.name),
    120_000,
  );
  t.equal(status.exitCode, 1, 'status says that something is wrong');
  t.match(status.stdout, new RegExp(`${first.name.toLowerCase()}.*(unreachable|not ready)`, 'i'));
  const nodes = await eventually(
    () => lab.admin(['kubectl', 'get', 'nodes'], { timeoutMs: 30_000 }),
    (k) => k.exitCode === 0 && /NotReady/.test(k.stdout),
    120_000,
  );
  t.match(nodes.stdout, /NotReady/);
  await checkQuery(
    t,
    lab,
    lab.machines.slice(1).map((m) => m.name.toLowerCase()),
  );
  for (const { name, address } of lab.machines.slice(1)) {
    t.equal(
      await eventually(
        () => login(lab, address, password),
        (code) => code === 200,
        60_000,
      ),
      200,
      `a new login at ${name}`,
    );
  }
  t.comment(`everything works again ${Math.round((Date.now() - cut) / 1000)} s after the cut`);
}

t.test('three machines, from nothing to a power cut and back', async (t) => {
  const lab = await bootLab('--nodes', '3');
  t.teardown(() => lab.down());
  const [first] = lab.machines;
  if (first === undefined) {
    throw new Error('no machine');
  }
  let password = '';

  await t.test('install', async (t) => {
    const installed = await lab.admin(['install', '-f', lab.clusterFile]);
    t.equal(installed.exitCode, 0, installed.stderr);
    t.match(installed.stdout, /Password: {2}\S{12,}/);
    for (const { address } of lab.machines) {
      t.match(installed.stdout, `https://${address}:8443`);
    }
    t.comment(`installed in ${Math.round(installed.ms / 1000)} s`);
    password = /Password: {2}(\S+)/.exec(installed.stdout)?.[1] ?? '';
    await checkCluster(t, lab);
  });

  await t.test('the console in a browser: log in, see the nodes, find a process that has just been started', (t) =>
    findInConsole(t, lab, first, password),
  );

  await t.test('the same command again changes nothing', async (t) => {
    const pods = async (): Promise<string[]> =>
      (await kubeList<Pod>(lab, 'pods', '-A')).map((p) => `${p.metadata.name} ${p.metadata.uid}`).sort();
    const before = await pods();
    const again = await lab.admin(['install', '-f', lab.clusterFile]);
    t.equal(again.exitCode, 0, again.stderr);
    await checkCluster(t, lab);
    t.strictSame(await pods(), before, 'the same pods');
  });

  await t.test('the machine installed first loses its power while it leads etcd and the bus', (t) =>
    losePower(t, lab, first, password),
  );

  await t.test('it comes back by itself', async (t) => {
    const started = await lab.admin(['lab', 'start', first.name]);
    t.equal(started.exitCode, 0, started.stderr);
    const status = await eventually(
      () => lab.admin(['status'], { timeoutMs: 60_000 }),
      (s) => s.exitCode === 0,
      360_000,
    );
    t.equal(status.exitCode, 0, status.stdout);
    await checkCluster(t, lab);
  });

  await t.test('uninstall', async (t) => {
    const removed = await lab.admin(['uninstall', '-f', lab.clusterFile, '--yes']);
    t.equal(removed.exitCode, 0, removed.stderr);
    for (const { name } of lab.machines) {
      const left = await eventually(
        () =>
          lab.exec(
            name,
            'sh',
            '-c',
            'ls -d /opt/terrarium /var/lib/terrarium /etc/kubernetes /var/lib/kubelet /usr/local/bin/terrarium ' +
              '/run/terrarium 2>/dev/null; ls /etc/systemd/system | grep -E "terrarium|kubelet" | grep -v ' +
              'terrarium-lab; ps -eo comm | grep -E "^(kube|etcd|containerd|terrarium)"',
          ),
        (l) => l.stdout.trim() === '',
        60_000,
      );
      t.equal(left.stdout.trim(), '', `nothing is left on ${name}`);
    }
  });
});
