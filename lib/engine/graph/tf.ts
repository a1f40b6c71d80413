/**
 * TensorFlow.js, loaded once for the whole library. The engine's language: models, losses and optimizers
 * are TensorFlow.js functions, run as they are (eager) or traced to ONNX (compiled).
 */
import * as tf from '@tensorflow/tfjs';

// Without this, TensorFlow.js prints advice to install another package on every start.
tf.env().set('PROD', true);

export { tf };
export type Tensor = tf.Tensor;
export type NamedTensors = Record<string, tf.Tensor>;
