/**
 * The door of `serve`: a model behind OpenAI's endpoints.
 * Where it stands: on top of models, generation, retrieval and feedback, beside exports as a way to the model's users.
 */
export { serve } from './serve';
export type { RunningServer } from './serve';
export type { ServeOptions } from './options';
export type { RequestLog } from './server-parts';
