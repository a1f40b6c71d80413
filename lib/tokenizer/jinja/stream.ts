/** Tokens read one after another. Where it stands: between the lexer and the two halves of the parser. */
import type { Token } from './lexer';
import { raise } from '../python/values';

export class TokenStream {
  private at = 0;

  constructor(private readonly tokens: readonly Token[]) {}

  get current(): Token {
    return this.tokens[this.at];
  }

  get next(): Token {
    return this.tokens[Math.min(this.at + 1, this.tokens.length - 1)];
  }

  take(): Token {
    const token = this.current;
    if (token.kind !== 'end') this.at++;
    return token;
  }

  isName(...names: readonly string[]): boolean {
    return this.current.kind === 'name' && names.includes(this.current.value);
  }

  isOperator(...operators: readonly string[]): boolean {
    return this.current.kind === 'operator' && operators.includes(this.current.value);
  }

  skipName(name: string): boolean {
    const isIt = this.isName(name);
    if (isIt) this.take();
    return isIt;
  }

  skipOperator(operator: string): boolean {
    const isIt = this.isOperator(operator);
    if (isIt) this.take();
    return isIt;
  }

  /** @throws {TunebookError} If the next token is of another kind, or has another value than one given. */
  expect(kind: Token['kind'], value?: string): Token {
    const token = this.current;
    if (token.kind !== kind || (value !== undefined && token.value !== value))
      this.fail(`expected ${value ?? `a ${kind}`}, got ${describe(token)}`);
    return this.take();
  }

  fail(message: string): never {
    return raise(`line ${this.current.line}: ${message}`);
  }
}

export function describe(token: Token): string {
  if (token.kind === 'end') return 'the end of the template';
  return token.kind === 'text' ? 'text' : JSON.stringify(token.value);
}
