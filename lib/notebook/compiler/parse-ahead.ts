/** Parses what every kernel's compiler reads; called while a kernel's image is made (`kernel/image-entry`). */
import { keepParsed } from './parsed-files';
import { loadTslab } from './tslab-module';

/**
 * Parses the declarations that cells see in the current folder, without their documentation.
 * @param library whether the package's own are among them
 */
export function parseAhead(library: boolean): void {
  const tslab = loadTslab(false);
  const converter = tslab.createConverter({ isJS: false, isBrowser: false });
  if (library) tslab.addPackageTypes();
  converter.convert('', '1');
  const program = tslab.program();
  if (program) keepParsed(program);
  converter.close();
  tslab.dispose();
}
