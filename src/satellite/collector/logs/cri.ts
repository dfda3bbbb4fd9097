/** A line longer than this is cut. */
export const MAX_MESSAGE_BYTES = 64 * 1024;

export interface LogLine {
  unixMs: number;
  stream: string;
  message: string;
}

/** A line of a log file whose end has not come yet: the runtime writes long ones in pieces. */
interface Piece {
  unixMs: number;
  text: string;
  /** Bytes that were left out at the end. */
  cut: number;
}

function finish({ unixMs, text, cut }: Piece, stream: string): LogLine {
  return { unixMs, stream, message: cut === 0 ? text : `${text} … (${cut} bytes left out)` };
}

/**
 * Puts together the lines of one log file as the container runtime writes it: `TIME STREAM P|F[:…] TEXT`, P for a piece
 * that is continued by the next one of its stream (Kubernetes' design of CRI logging).
 */
export class CriLines {
  readonly #pieces: Map<string, Piece>;

  /** @param state what `state` gave, to go on in the middle of a line */
  constructor(state = '{}') {
    this.#pieces = new Map(Object.entries(JSON.parse(state) as Record<string, Piece>));
  }

  get state(): string {
    return JSON.stringify(Object.fromEntries(this.#pieces));
  }

  /**
   * The line that `text`, one line of the file, completes, if it does. @param now milliseconds since 1970, for text
   * that is no such line
   */
  add(text: string, now: number): LogLine | undefined {
    const afterTime = text.indexOf(' ');
    const afterStream = text.indexOf(' ', afterTime + 1);
    const afterTag = text.indexOf(' ', afterStream + 1);
    const unixMs = Date.parse(text.slice(0, afterTime));
    if (afterTime < 0 || afterStream < 0 || Number.isNaN(unixMs)) {
      return finish(this.#joined(undefined, { unixMs: now, text, cut: 0 }), 'stdout');
    }
    const stream = text.slice(afterTime + 1, afterStream);
    const tag = afterTag < 0 ? text.slice(afterStream + 1) : text.slice(afterStream + 1, afterTag);
    const joined = this.#joined(this.#pieces.get(stream), {
      unixMs,
      text: afterTag < 0 ? '' : text.slice(afterTag + 1),
      cut: 0,
    });
    if (tag.startsWith('P')) {
      this.#pieces.set(stream, joined);
      return undefined;
    }
    this.#pieces.delete(stream);
    return finish(joined, stream);
  }

  #joined(before: Piece | undefined, next: Piece): Piece {
    const text = (before?.text ?? '') + next.text;
    const bytes = Buffer.byteLength(text);
    const piece = { unixMs: before?.unixMs ?? next.unixMs, text, cut: before?.cut ?? 0 };
    if (bytes <= MAX_MESSAGE_BYTES) {
      return piece;
    }
    // A character may be cut in two: the decoder's mark for that is dropped.
    const kept = Buffer.from(text)
      .subarray(0, MAX_MESSAGE_BYTES)
      .toString('utf8')
      .replace(/\uFFFD$/, '');
    return { ...piece, text: kept, cut: piece.cut + bytes - Buffer.byteLength(kept) };
  }
}
