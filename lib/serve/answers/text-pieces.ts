/**
 * An answer's text as its tokens come. What may become a stop string is held back until it is none, so that no part of one
 * is ever sent; a character whose bytes come in several tokens is sent once it is whole.
 */
import { beforeStop } from '../../generation';
import type { Tokenizer } from '../../types';

export class TextPieces {
  private readonly tokens: number[] = [];
  private sent = 0;
  private isStopped = false;

  constructor(
    private readonly tokenizer: Pick<Tokenizer, 'decode'>,
    private readonly stopStrings: readonly string[],
  ) {}

  /** The text so far, without special tokens, to the first stop string. */
  get text(): string {
    return beforeStop(this.decoded, this.stopStrings);
  }

  /** @returns what can be sent now; '' where that is nothing */
  push(token: number): string {
    this.tokens.push(token);
    if (this.isStopped) return '';
    const { decoded, text } = this;
    this.isStopped = text.length < decoded.length;
    const end = this.isStopped ? text.length : text.length - this.held(text);
    return this.upTo(text, end);
  }

  /** @returns what was held back and is no stop string */
  end(): string {
    const { text } = this;
    return this.upTo(text, text.length);
  }

  private get decoded(): string {
    return this.tokenizer.decode(this.tokens, { skipSpecialTokens: true });
  }

  private upTo(text: string, end: number): string {
    const piece = text.slice(this.sent, Math.max(this.sent, end));
    this.sent += piece.length;
    return piece;
  }

  /** Characters at the end that the next token may change, or make a stop string of. */
  private held(text: string): number {
    const broken = /\uFFFD+$/.exec(text)?.[0].length ?? 0;
    const longest = Math.max(0, ...this.stopStrings.map((stop) => stop.length - 1));
    for (let length = Math.min(longest, text.length); length > broken; length--) {
      const end = text.slice(text.length - length);
      if (this.stopStrings.some((stop) => stop.startsWith(end))) return length;
    }
    return broken;
  }
}
