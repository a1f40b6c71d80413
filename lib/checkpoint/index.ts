/** The door of `checkpoint`: safetensors files, and folders of them; what the tensors mean it does not know. */
export { openCheckpoint } from './checkpoint';
export type { Checkpoint, CheckpointTensorInfo, OpenCheckpointOptions } from './checkpoint';
export { findCheckpointFiles, noCheckpoint, readCheckpointIndex } from './checkpoint-layout';
export type { CheckpointLayout } from './checkpoint-layout';
export { matchStateDict } from './checkpoint-match';
export type { MatchStateDictOptions } from './checkpoint-match';
export { writeCheckpoint } from './checkpoint-write';
export type { WriteCheckpointOptions } from './checkpoint-write';
export { openSafetensors, readSafetensorsHeader } from './safetensors';
export type { ElementRange, SafetensorsFile } from './safetensors';
export {
  bfloat16ToFloat32,
  float16ToFloat32,
  float32ToBfloat16,
  float16Bits,
  float32ToFloat16,
} from './safetensors-convert';
export { dtypeSizeBytes } from './safetensors-format';
export type { SafetensorsDtype, SafetensorsHeader, TensorInfo } from './safetensors-format';
export { writeSafetensors } from './safetensors-write';
export type { TensorSource, TensorValues, WriteSafetensorsOptions } from './safetensors-write';
