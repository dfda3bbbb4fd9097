import { Command, CommanderError } from 'commander';
import { EXIT, Failure, explain, failureData } from '../errors.ts';
import { moduleNames } from '../modules.ts';
import type { CommandModule, Io } from './command.ts';

const FOLDER = 'src/cli/commands';

async function load(name: string): Promise<CommandModule> {
  const module = (await import(`./commands/${name}.ts`)) as { command: CommandModule };
  return module.command;
}

/** Runs one command line; sets process.exitCode and prints failures as one sentence on stderr. */
export async function run(argv: string[]): Promise<void> {
  const abort = new AbortController();
  let interrupts = 0;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      interrupts += 1;
      abort.abort(new Failure('interrupted', `interrupted by ${signal}`, { exitCode: EXIT.interrupted }));
      if (interrupts > 1) {
        process.exit(EXIT.interrupted);
      }
    });
  }
  const io: Io = {
    stdout: process.stdout,
    stderr: process.stderr,
    stdin: process.stdin,
    env: process.env,
    signal: abort.signal,
  };
  // A reader that goes away (`| head`) is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) =>
    process.exit(error.code === 'EPIPE' ? EXIT.ok : EXIT.failed),
  );
  try {
    await dispatch(argv, io);
  } catch (error) {
    process.exitCode = report(error, io);
  }
}

function report(error: unknown, io: Io): number {
  if (error instanceof CommanderError) {
    return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  }
  if (error instanceof Failure) {
    io.stderr.write(`Error: ${explain(failureData(error))}\n`);
    if (io.env['TERRARIUM_DEBUG'] !== undefined) {
      io.stderr.write(`${error.stack ?? ''}\n${String(error.cause ?? '')}\n`);
    }
    return error.exitCode;
  }
  io.stderr.write(
    `Error: unexpected: ${error instanceof Error ? error.message : String(error)}. This is a bug in terrarium; set ` +
      'TERRARIUM_DEBUG=1 to see where.\n',
  );
  if (io.env['TERRARIUM_DEBUG'] !== undefined && error instanceof Error) {
    io.stderr.write(`${error.stack ?? ''}\n`);
  }
  return EXIT.failed;
}

function prepare(cmd: Command, io: Io): Command {
  return cmd
    .exitOverride()
    .showHelpAfterError('(run with --help for usage)')
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      outputError: (text, write) => write(text.replace(/^error: /, 'Error: ')),
    });
}

/** @param group the commands whose first word is that of the line */
function misuse(argv: string[], words: string[], group: string[]): string {
  if (words[0] === undefined) {
    return `unknown option '${argv[0]}'`;
  }
  if (group.length > 0 && words[1] === undefined) {
    return `'terrarium ${words[0]}' needs a subcommand (${group.map((n) => n.split('/')[1]).join(', ')})`;
  }
  return `unknown command '${words.slice(0, 2).join(' ')}'`;
}

async function dispatch(argv: string[], io: Io): Promise<void> {
  const names = moduleNames(FOLDER);
  // The longest run of leading words that is a command: `lab up --nodes 3` is lab/up.
  const words = argv.slice(
    0,
    argv.findIndex((a) => a.startsWith('-')) === -1 ? argv.length : argv.findIndex((a) => a.startsWith('-')),
  );
  for (let n = Math.min(words.length, 3); n > 0; n -= 1) {
    const name = words.slice(0, n).join('/');
    if (!names.includes(name)) {
      continue;
    }
    const module = await load(name);
    const cmd = prepare(new Command(`terrarium ${words.slice(0, n).join(' ')}`), io).description(module.summary);
    module.configure(cmd, io);
    await cmd.parseAsync(argv.slice(n), { from: 'user' });
    return;
  }
  const group = names.filter((n) => words[0] !== undefined && n.startsWith(`${words[0]}/`));
  const wantsHelp = argv.length === 0 || argv.includes('--help') || argv.includes('-h') || words[0] === 'help';
  if (!wantsHelp || (words[0] !== undefined && words[0] !== 'help' && group.length === 0)) {
    throw new Failure('usage', `${misuse(argv, words, group)}.`, {
      remedy: 'Run `terrarium --help` to see all commands.',
      exitCode: EXIT.usage,
    });
  }
  await help(group.length > 0 ? group : names, io);
}

async function help(names: string[], io: Io): Promise<void> {
  const groups = new Map<string, [string, string][]>();
  for (const name of names) {
    const module = await load(name);
    if (module.group === undefined) {
      continue;
    }
    const rows = groups.get(module.group) ?? [];
    rows.push([name.replaceAll('/', ' '), module.summary]);
    groups.set(module.group, rows);
  }
  io.stdout.write(
    `Usage: terrarium <command> [options]

A highly available Kubernetes cluster on the host network only, from one file and one command.
`,
  );
  for (const group of ['Set up', 'Use', 'Operate', 'Vendor', 'Lab']) {
    const rows = groups.get(group);
    if (rows === undefined) {
      continue;
    }
    io.stdout.write(`\n${group}:\n${rows.map(([n, s]) => `  ${n.padEnd(22)} ${s}\n`).join('')}`);
  }
  io.stdout.write(
    `
Options:
  --version, -V          print the version
  --help, -h             this text; with a command, its options

Exit codes: 0 done, 1 failed (run the same command again to resume), 2 bad input, 3 preflight failed,
or only a part answered or was found (query, schedule run and results, get, describe, delete), 4 preflight
warnings only, 5 a machine unreachable, 130 interrupted.
`,
  );
}
