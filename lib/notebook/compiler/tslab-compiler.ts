/**
 * The kernel's compiler on stock tslab: what tslab lacks is added around it. Source maps for tracebacks, awaits that an
 * interrupt can end, names that outlive a failed cell, variables that all cells share.
 */
import path from 'node:path';
import { types } from 'node:util';
import type * as TypeScript from '@tslab/typescript-for-tslab';
import type { Converter, Diagnostic } from 'tslab/dist/converter';
import type * as NewTypeScript from 'typescript';
import { CellRuntime } from './cell-runtime';
import { blankFileWords, declaredNames, hoistedNames, keptNamespaces } from '../typescript/cell-text';
import { completionOf } from './completions';
import type {
  CellCompiler,
  CellCompilerOptions,
  CompiledCell,
  Completeness,
  Completion,
  Finding,
} from './compiler-types';
import { prepareFailure } from './failed-cell';
import { LIVE_HELPER, LiveVariables, shareVariables } from './live-variables';
import type { Place, SourceLookup } from '../typescript/source-map';
import { loadTslab } from './tslab-module';
import type { TslabModule } from './tslab-module';
import { undoInsertions, wrapAwaits } from './wrap-awaits';

/**
 * Declarations of a cell's `var`s inside of blocks, which TypeScript's own declarations of a file leave out. One that
 * is declared on top too is declared twice, with one type.
 */
function hoistedDeclarations(ts: typeof TypeScript, program: TypeScript.Program | undefined): string {
  const file = program?.getSourceFile(path.join(program.getCurrentDirectory(), '__tslab__.ts'));
  if (!program || !file || !/\bvar\b/.test(file.text)) return '';
  const checker = program.getTypeChecker();
  const { locals } = file as unknown as { locals?: Map<string, TypeScript.Symbol> };
  const parser = ts as unknown as typeof NewTypeScript;
  return [...hoistedNames(parser, file as unknown as NewTypeScript.SourceFile)]
    .map((name) => {
      const symbol = locals?.get(name);
      if (!symbol) return '';
      const type = checker.getTypeOfSymbolAtLocation(symbol, file);
      return `declare var ${name}: ${checker.typeToString(type, file, ts.TypeFormatFlags.NoTruncation)};\n`;
    })
    .join('');
}

/** Whether a text ends within a template, which tslab takes for an error rather than for a beginning. */
function hasOpenTemplate(ts: typeof TypeScript, code: string): boolean {
  const file = ts.createSourceFile('cell.ts', code, ts.ScriptTarget.Latest);
  const { parseDiagnostics } = file as unknown as { parseDiagnostics: TypeScript.Diagnostic[] };
  const unterminatedTemplate = 1160;
  return parseDiagnostics.some((finding) => finding.code === unterminatedTemplate);
}

function findingOf({ start, messageText, fileName }: Diagnostic): Finding {
  const place = { line: start.line, column: start.character, message: messageText };
  return fileName ? { ...place, file: fileName } : place;
}

/** A cell with nothing to run. */
const EMPTY_CELL: CompiledCell = {
  findings: [],
  run: () => Promise.resolve(undefined),
  keepDefined: () => undefined,
};

/** Whether a value is to be awaited; a proxy is not asked. */
function isPromiseLike(value: unknown): boolean {
  if (types.isPromise(value)) return true;
  if (typeof value !== 'object' || value === null || types.isProxy(value)) return false;
  try {
    return typeof (value as { then?: unknown }).then === 'function';
  } catch {
    return false;
  }
}

/** Compiles cells by tslab's converter. */
export class TslabCompiler implements CellCompiler {
  private readonly tslab: TslabModule;
  /** For what only reads texts: the functions used are the same in both TypeScripts. */
  private readonly parser: typeof NewTypeScript;
  private readonly node: Converter;
  private browser: Converter | undefined;
  private readonly live = new LiveVariables();
  private readonly runtime: CellRuntime;
  private readonly places = new Map<number, SourceLookup>();
  /** Whether the last cell had errors, which what has been written since may fix. */
  private hasFailed = false;
  /** What the cells so far have declared, as a .d.ts. */
  private declarations = '';

  constructor({ display, hasDocs = true }: CellCompilerOptions) {
    this.tslab = loadTslab(hasDocs);
    this.parser = this.tslab.ts as unknown as typeof NewTypeScript;
    this.node = this.tslab.createConverter({ isJS: false, isBrowser: false });
    this.runtime = new CellRuntime(this.tslab.library, (values) => this.live.over(values));
    Object.assign(globalThis, { [LIVE_HELPER]: this.live.share.bind(this.live) });
    if (display) this.tslab.jupyter.lastWriteDisplayData = display;
  }

  compile(source: string, key: number): CompiledCell {
    const metadata = this.tslab.metadataOf(source);
    if (metadata.module) this.converterOf(source).addModule(metadata.module, source, metadata as never);
    if (metadata.module || metadata.mode === 'browser') return EMPTY_CELL;
    const { ts } = this.tslab;
    const before = this.declarations;
    const text = blankFileWords(this.parser, source);
    if (this.hasFailed) this.tslab.lookAgain();
    const { output, sideOutputs = [], diagnostics, ...converted } = this.node.convert(before, text);
    this.runtime.addFiles(sideOutputs);
    this.hasFailed = diagnostics.length > 0;
    if (diagnostics.length > 0) return { ...EMPTY_CELL, findings: diagnostics.map(findingOf) };
    const after =
      (converted.declOutput ?? '') +
      keptNamespaces(this.parser, before, text) +
      hoistedDeclarations(ts, this.tslab.program());
    if (!output) {
      this.declarations = after;
      return EMPTY_CELL;
    }
    const keep = prepareFailure(ts, this.runtime.shared, { before, after, output });
    const { code, insertions, awaits } = wrapAwaits(ts, output);
    const lookup = this.tslab.takeLookup(output);
    if (lookup)
      this.places.set(key, (generated) => {
        const place = lookup(undoInsertions(generated, insertions));
        return place && place.line > 0 ? { line: place.line - 1, column: place.column } : undefined; // "export {};"
      });
    const file = this.parser.createSourceFile('cell.ts', text, ts.ScriptTarget.Latest as never, true);
    this.live.release(declaredNames(this.parser, file).keys());
    const ready = { code: shareVariables(this.parser, text, code), name: `In[${key}]`, awaits };
    let ended = false;
    return {
      findings: [],
      run: async () => {
        const running = this.runtime.run(ready);
        if (awaits) await running;
        if (ended) return undefined; // abandoned meanwhile
        ended = true;
        this.declarations = after;
        const value = this.takeLast(converted.lastExpressionVar);
        return { value: isPromiseLike(value) ? await value : value };
      },
      keepDefined: () => {
        if (ended) return;
        ended = true;
        this.declarations = keep();
      },
    };
  }

  complete(source: string, position: number): Completion {
    const answer = this.converterOf(source).complete(this.declarations, source, position);
    return completionOf(this.tslab.ts, answer, { source, position });
  }

  inspect(source: string, position: number): string | undefined {
    const info = this.converterOf(source).inspect(this.declarations, source, position) as
      TypeScript.QuickInfo | undefined;
    return info && this.tslab.printQuickInfo(info);
  }

  isComplete(source: string): Completeness {
    if (hasOpenTemplate(this.tslab.ts, source)) return { isComplete: false, indent: '' };
    const { completed, indent = '' } = this.tslab.isCompleteCode(source);
    return { isComplete: completed, indent };
  }

  values(): Iterable<[name: string, value: unknown]> {
    return Object.entries(this.runtime.own);
  }

  warmUp(library: boolean): void {
    if (library) this.tslab.addPackageTypes();
    this.node.convert('', '1');
  }

  dispose(): void {
    this.node.close();
    this.browser?.close();
    Reflect.deleteProperty(globalThis, LIVE_HELPER);
    this.tslab.jupyter.lastWriteDisplayData = null;
    this.tslab.dispose();
  }

  readonly locate = (key: number, generated: Place): Place | undefined => this.places.get(key)?.(generated);

  private converterOf(source: string): Converter {
    if (this.tslab.metadataOf(source).mode !== 'browser') return this.node;
    return (this.browser ??= this.tslab.createConverter({ isJS: false, isBrowser: true }));
  }

  /** The value of a cell's last expression, which is no name of the cells. */
  private takeLast(name: string | undefined): unknown {
    if (name === undefined) return undefined;
    const value = this.runtime.own[name];
    delete this.runtime.own[name];
    return value;
  }
}
