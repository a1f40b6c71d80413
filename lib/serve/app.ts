/** The routes: what is checked before each, and what it answers. Sockets, start and end are in `serve.ts`. */
import { createRequire } from 'node:module';
import type * as HonoModule from 'hono';
import type { Context, Hono, MiddlewareHandler } from 'hono';
import type * as BodyLimit from 'hono/body-limit';
import type * as Cors from 'hono/cors';
import { ApiError, asApiError } from './answers/api-error';
import type { ErrorStatus } from './answers/api-error';
import { chatQuestion, completionQuestion, respond } from './generation-routes';
import { checkHost, checkOrigin, checkToken } from './guards';
import { readEmbedding } from './answers/request-schemas';
import type { RequestNotes, ServerParts } from './server-parts';

const load = createRequire(__filename);

/** Where nothing is read but a word on the server's state. */
const ALWAYS = new Set(['/health', '/metrics']);
const NEEDS_TOKEN = /^\/(v1|metrics|feedback)(\/|$)/;
const ROUTES =
  /^\/(v1\/(models|chat\/completions|completions|embeddings)|health|metrics|feedback)(?=\/|$)|^\/$/;

/** The routes of a server. */
export function createApp(parts: ServerParts): Hono<RequestNotes> {
  const { Hono } = load('hono') as typeof HonoModule;
  const { bodyLimit } = load('hono/body-limit') as typeof BodyLimit;
  const { guard, models, metrics, embeddings, feedback, maxBodyBytes } = parts;
  const app = new Hono<RequestNotes>();
  app.onError((error, c) => errorResponse(c, error));
  app.notFound((c) =>
    errorResponse(c, new ApiError(404, `there is no ${c.req.method} ${shortPath(c)} here.`)),
  );

  app.use(tracked(parts));
  if (guard.corsOrigins.length > 0) {
    const { cors } = load('hono/cors') as typeof Cors;
    app.use(cors({ origin: guard.corsOrigins.includes('*') ? '*' : [...guard.corsOrigins] }));
  }
  app.use(async (c, next) => {
    const { origin, host, authorization } = c.req.header();
    c.header('x-content-type-options', 'nosniff');
    checkHost(host, guard);
    checkOrigin({ origin, host }, guard);
    // The page of a race is at an address that nobody can guess, since a frame sends no token.
    if (NEEDS_TOKEN.test(c.req.path) && !feedback?.holds(c.req.path)) checkToken(authorization, guard);
    if (parts.isEnding && !ALWAYS.has(c.req.path)) {
      c.header('connection', 'close');
      throw new ApiError(503, 'the server is ending.', { code: 'ending' });
    }
    await next();
  });
  app.use(
    bodyLimit({
      maxSize: maxBodyBytes,
      onError: () => {
        throw new ApiError(413, `expected a body of at most ${maxBodyBytes} bytes.`, {
          code: 'body_too_large',
        });
      },
    }),
  );

  app.get('/health', (c) =>
    parts.isEnding ? c.json({ status: 'ending' }, 503) : c.json({ status: 'ok', ...parts.batch.counts }),
  );
  app.get('/metrics', async (c) => {
    const { body, type } = await metrics.text();
    return c.body(body, 200, { 'content-type': type });
  });
  app.get('/v1/models', (c) => c.json({ object: 'list', data: models.list() }));
  app.get('/v1/models/:id{.+}', (c) => {
    const found = models.list().find((one) => 'id' in one && one.id === c.req.param('id'));
    if (found === undefined) models.find(c.req.param('id'));
    return c.json(found ?? {});
  });
  app.post('/v1/chat/completions', async (c) => respond(parts, c, chatQuestion(parts, await jsonBody(c))));
  app.post('/v1/completions', async (c) => respond(parts, c, completionQuestion(parts, await jsonBody(c))));
  app.post('/v1/embeddings', async (c) => {
    if (embeddings === undefined)
      throw new ApiError(404, 'this server has no embedding model. Start it with --embeddings MODEL.', {
        code: 'model_not_found',
      });
    const request = readEmbedding(await jsonBody(c));
    if (request.model !== embeddings.name)
      throw new ApiError(404, `expected the embedding model of this server, ${embeddings.name}.`, {
        param: 'model',
        code: 'model_not_found',
      });
    return c.json(await embeddings.answer(request, c.req.raw.signal));
  });
  for (const [path, { body, headers }] of parts.page) app.get(path, (c) => c.body(body, 200, { ...headers }));
  if (feedback !== undefined) {
    app.get('/feedback/form', (c) => c.json(feedback.fields));
    app.post('/feedback', async (c) => c.json(await feedback.page(await jsonBody(c))));
    app.get('/feedback/:id', (c) => {
      const page = feedback.find(c.req.param('id'));
      if (page === undefined) throw new ApiError(404, 'this page is gone. Ask for it again.');
      return c.html(page.body, 200, { ...page.headers });
    });
  }
  return app;
}

/** Counts and logs a request once its answer is whole. */
function tracked(parts: ServerParts): MiddlewareHandler<RequestNotes> {
  return async (c, next) => {
    const started = performance.now();
    c.set('started', started);
    c.set('notes', {});
    const token = {};
    parts.open.add(token);
    await next();
    const done = (): void => {
      parts.open.delete(token);
      const left = c.req.raw.signal.aborted;
      const status = left ? 499 : c.res.status;
      const ms = performance.now() - started;
      const route = ROUTES.exec(c.req.path)?.[0] ?? 'other';
      parts.metrics.answered({ route, status, seconds: ms / 1000 });
      const path = route === 'other' ? shortPath(c) : route;
      parts.onRequest?.({ method: c.req.method, path, ...c.get('notes'), status, ms });
    };
    const streaming = c.get('streaming');
    if (streaming === undefined) done();
    else void streaming.finally(done);
  };
}

function shortPath(c: Context): string {
  return c.req.path.slice(0, 100);
}

/** @throws ApiError 415 and 400 for what is no JSON */
async function jsonBody(c: Context): Promise<unknown> {
  // What a page of another origin may send without being asked first is text, never JSON.
  if (!/^application\/json\b/i.test(c.req.header('content-type') ?? ''))
    throw new ApiError(415, 'expected a body of content-type application/json.');
  try {
    return JSON.parse(await c.req.text()) as unknown;
  } catch (error) {
    if (error instanceof ApiError) throw error;
    throw new ApiError(400, 'expected a body of JSON.', { code: 'invalid_json' });
  }
}

function errorResponse(c: Context<RequestNotes>, error: unknown): Response {
  const known = asApiError(error);
  if (known.status === 500) c.get('notes').error = error;
  return c.json(known.toJson(), known.status as ErrorStatus, { ...known.headers });
}
