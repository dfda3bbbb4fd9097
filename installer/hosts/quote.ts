/**
 * One word for any login shell: sh, bash, zsh, ksh, csh, tcsh, fish. Backslash and `!` are put outside the quotes,
 * because fish reads a backslash inside single quotes and csh an exclamation mark.
 */
export function quote(word: string): string {
  if (/^[A-Za-z0-9_./:=@%+,-]+$/.test(word)) {
    return word;
  }
  return `'${word.replaceAll(/['\\!]/g, (c) => `'\\${c}'`)}'`;
}

export function quoteAll(argv: string[]): string {
  return argv.map(quote).join(' ');
}
