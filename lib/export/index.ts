/** The door of `export`: models in the forms that other programs load, each export compared with the model itself. */
export { exportGguf } from './gguf/export-gguf';
export type { ExportGgufOptions } from './gguf/export-gguf';
export { exportGgufAdapter } from './gguf/export-adapter';
export type { ExportGgufAdapterOptions } from './gguf/export-adapter';
export type { GgufType } from './gguf/types/format';
export { writeModelfile } from './ollama';
export { exportOnnx } from './onnx/export-onnx';
export type { ExportOnnxOptions, OnnxModelFile, OnnxOutcome } from './onnx/export-onnx';
export type { OnnxDtypeName, OnnxTarget } from './onnx/onnx-types';
export type { OnnxProof } from './onnx/prove-onnx';
export { exportWeb } from './web/export-web';
export type { ExportWebOptions } from './web/export-web';
export type { Agreement } from './proof/agreement';
export type { ExportOutcome, ExportProgress } from './proof/outcome';
export type { CheckOptions } from './proof/prove';
export type { SourceOptions } from './source/open-source';
export { promptsOfRecords } from './source/record-prompts';
export type { RecordPromptsOptions } from './source/record-prompts';
