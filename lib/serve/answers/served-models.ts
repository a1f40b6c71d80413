/**
 * The names that requests choose models by: a base, and each adapter on it; and the prompts that they are asked with. Names
 * are looked up here and nowhere else.
 */
import { answerEndTokens } from '../../generation';
import type { HasRuntime } from '../../models';
import { promptOf } from '../../prompts';
import type { ModelPrompt } from '../../prompts';
import { promptIds } from '../../tokenizer';
import type { ChatMessage, PretrainedTokenizer } from '../../tokenizer';
import { messageOf } from '../../types';
import { ApiError } from './api-error';

/** A model by its name. */
export interface ServedModel {
  readonly id: string;
  /** Name of the adapter; undefined for the base. */
  readonly adapter: string | undefined;
  readonly tokenizer: PretrainedTokenizer;
}

/** All names of a server. */
export class ServedModels {
  private readonly byId = new Map<string, ServedModel>();
  private readonly prompts = new Map<PretrainedTokenizer, ModelPrompt | undefined>();
  /** When the server began, seconds of Unix time. */
  readonly created = Math.floor(Date.now() / 1000);

  constructor(
    private readonly model: HasRuntime,
    models: readonly ServedModel[],
    /** Name of the embedding model; undefined where there is none. */
    readonly embeddings: string | undefined,
  ) {
    for (const one of models) {
      this.byId.set(one.id, one);
      this.prompts.set(one.tokenizer, promptOf(one.tokenizer));
    }
  }

  /** @throws ApiError 404 where no model has that name */
  find(id: string): ServedModel {
    const found = this.byId.get(id);
    if (found !== undefined) return found;
    const names = [...this.byId.keys()].join(', ');
    throw new ApiError(
      404,
      `expected a model of this server (${names}), got ${JSON.stringify(id.slice(0, 100))}`,
      {
        param: 'model',
        code: 'model_not_found',
      },
    );
  }

  /** Entries of /v1/models, the base first. */
  list(): object[] {
    const { created } = this;
    const [base] = this.byId.keys();
    const entry = (id: string, more: object): object => ({
      id,
      object: 'model',
      created,
      owned_by: 'tunebook',
      ...more,
    });
    const models = [...this.byId.values()].map(({ id, adapter, tokenizer }) =>
      entry(id, {
        ...(adapter === undefined ? {} : { parent: base }),
        max_model_len: this.model.runtime.architecture.maxPositions,
        has_chat_template: this.prompts.get(tokenizer) !== undefined,
      }),
    );
    return this.embeddings === undefined ? models : [...models, entry(this.embeddings, {})];
  }

  /**
   * Token ids of a conversation in the prompt that the model was tuned with, else in its own format.
   * @throws ApiError 400 where it has neither, or its template refuses the messages
   */
  chatIds({ id, tokenizer }: ServedModel, messages: readonly ChatMessage[]): number[] {
    const prompt = this.prompts.get(tokenizer);
    if (prompt === undefined)
      throw new ApiError(
        400,
        `${id} has no chat template, so nobody can say which prompt a conversation is. Use /v1/completions with the ` +
          'prompt that the model was tuned with, or save the model again with its prompt.',
        { param: 'messages' },
      );
    try {
      const { chatTemplate } = prompt;
      return tokenizer.applyChatTemplate(messages, { addGenerationPrompt: true, chatTemplate });
    } catch (error) {
      throw new ApiError(400, messageOf(error), { param: 'messages' });
    }
  }

  /** Texts that end an answer of a conversation, beside its tokens. */
  stopStrings({ tokenizer }: ServedModel): readonly string[] {
    return this.prompts.get(tokenizer)?.stopStrings ?? [];
  }

  /** Token ids of a text to go on from. */
  textIds({ tokenizer }: ServedModel, text: string): number[] {
    return promptIds(tokenizer, text);
  }

  /** Tokens that end an answer. */
  endTokens({ tokenizer }: ServedModel): number[] {
    return answerEndTokens(this.model, tokenizer);
  }
}
