import { VERSION } from './version.ts';

// `--version` must not pay for anything: everything else is imported behind it.
if (process.argv[2] === '--version' || process.argv[2] === '-V') {
  process.stdout.write(`terrarium ${VERSION}\n`);
} else {
  void import('./cli/run.ts').then(({ run }) => run(process.argv.slice(2)));
}
