/**
 * The line to run on the machine that shall become a satellite; the token goes by stdin, where no list of processes
 * shows it.
 */
export function enrolCommand({
  addresses,
  token,
  caHash,
}: {
  addresses: readonly string[];
  token: string;
  caHash: string;
}): string {
  return `echo ${token} | sudo terrarium satellite install ${addresses.join(',')} --ca-hash ${caHash}`;
}

/**
 * Reads `name=value` separated by commas, spaces or lines.
 * @throws Error with a sentence that can be shown
 */
export function parseTags(text: string): Record<string, string> {
  const tags: Record<string, string> = {};
  for (const part of text.split(/[\s,]+/).filter((p) => p !== '')) {
    const at = part.indexOf('=');
    const name = at < 0 ? part : part.slice(0, at);
    if (!/^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$/.test(name)) {
      throw new Error(
        `“${part}” is no tag: write name=value, the name of letters, digits, dot, slash, hyphen and underscore.`,
      );
    }
    tags[name] = at < 0 ? '' : part.slice(at + 1);
  }
  return tags;
}

export const tagText = (tags: Record<string, string>): string[] =>
  Object.entries(tags).map(([name, value]) => (value === '' ? name : `${name}=${value}`));
