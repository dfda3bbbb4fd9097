/** One expression, put together from parts that fit on a line. Flags of the parts do not count. */
export function pattern(...parts: RegExp[]): RegExp {
  return new RegExp(parts.map((part) => part.source).join(''));
}
