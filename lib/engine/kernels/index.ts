/** Registers every recorded kernel with TensorFlow.js. */
import './elementwise';
import './reduction';
import './shape';
import './indexing';
import './matmul';

export { loweredKernels } from './registry';
