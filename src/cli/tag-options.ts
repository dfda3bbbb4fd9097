import { EXIT, Failure } from '../errors.ts';

/** `--tag name=value`, each name once. @throws Failure `usage` */
export function tagOptions(given: readonly string[] | undefined): Record<string, string> {
  const tags: Record<string, string> = {};
  for (const text of given ?? []) {
    const at = text.indexOf('=');
    const name = text.slice(0, at);
    if (at < 1 || Object.hasOwn(tags, name)) {
      throw new Failure('usage', `${text} is no tag${at < 1 ? '' : ` beside another ${name}`}.`, {
        remedy: 'Give each as NAME=VALUE.',
        exitCode: EXIT.usage,
      });
    }
    tags[name] = text.slice(at + 1);
  }
  return tags;
}
