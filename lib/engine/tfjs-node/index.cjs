// danfojs-node asks for @tensorflow/tfjs-node, whose native binary cannot be had everywhere:
// hand it the GPU build where one is installed, and plain TensorFlow.js otherwise.
let tf;
try {
  tf = require('@tensorflow/tfjs-node-gpu');
} catch {
  tf = require('@tensorflow/tfjs');
}
module.exports = tf;
