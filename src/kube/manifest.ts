import { Failure } from '../errors.ts';

/**
 * Fills `${NAME}` placeholders of a manifest. A value takes the place of its placeholder as it is; the caller quotes
 * where YAML needs it.
 * @throws Failure `bad-manifest` for a placeholder without a value.
 */
export function renderManifest(text: string, values: Record<string, string | number>): string {
  return text.replaceAll(/\$\{([A-Z][A-Z0-9_]*)\}/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) {
      throw new Failure('bad-manifest', `The manifest asks for \${${name}}, which has no value.`);
    }
    return String(value);
  });
}
