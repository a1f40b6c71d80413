/**
 * Models that are not supported, by config.json's `model_type`: what they are, and the nearest family that is.
 */

interface Refusal {
  readonly what: string;
  readonly nearest: string;
}

const EXPERTS = 'a mixture of experts';
const HYBRID = 'a hybrid with state-space, convolution or linear-attention layers';
const LATENT = 'a model with latent attention';
const OTHER = 'a decoder of another line';
const SEVERAL = 'a model with other inputs than text';
const ENCODER = 'no decoder of text';

/** Nearest family -> what a type is -> types. */
const TYPES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  mistral: {
    [EXPERTS]: 'mixtral phimoe minimax dbrx',
    [SEVERAL]: 'mistral3 pixtral voxtral',
    [OTHER]: 'ministral3 mistral4',
    [HYBRID]: 'mamba mamba2 falcon_mamba rwkv rwkv7 jamba zamba zamba2 xlstm',
  },
  llama: {
    [EXPERTS]: 'llama4 llama4_text jetmoe gpt_oss ernie4_5_moe hunyuan_v1_moe arcee_moe dots1 longcat_flash',
    [SEVERAL]: 'mllama llava llava_next llava_onevision idefics2 idefics3 smolvlm paligemma',
    [HYBRID]: 'falcon_h1 lfm2 lfm2_moe bamba nemotron_h recurrent_gemma',
    [OTHER]:
      'falcon bloom opt mpt gptj gpt_neo gpt_bigcode codegen persimmon nemotron exaone exaone4 helium arcee internlm2 ' +
      'internlm3 baichuan chatglm olmo seed_oss apertus hunyuan_v1_dense ernie4_5 cohere2 phi',
  },
  qwen2: { [EXPERTS]: 'qwen2_moe', [SEVERAL]: 'qwen2_vl qwen2_5_vl qwen2_audio qwen2_5_omni' },
  qwen3: {
    [EXPERTS]: 'qwen3_moe glm4_moe',
    [LATENT]: 'deepseek_v2 deepseek_v3 deepseek_v32 kimi_k2 minicpm3 glm_moe_dsa',
    [HYBRID]: 'qwen3_next qwen3_5 qwen3_5_text qwen3_5_moe kimi_linear minimax_m2',
    [SEVERAL]: 'qwen3_vl qwen3_vl_moe qwen3_omni_moe',
    [OTHER]: 'glm glm4v',
  },
  gemma3_text: {
    [OTHER]: 'gemma3n_text gemma4_text',
    [SEVERAL]: 'gemma3n gemma4 t5gemma shieldgemma2',
  },
  olmo2: { [EXPERTS]: 'olmoe flex_olmo', [HYBRID]: 'olmo_hybrid' },
  granite: { [EXPERTS]: 'granitemoe granitemoeshared', [HYBRID]: 'granitemoehybrid' },
  phi3: { [SEVERAL]: 'phi3_v phi4_multimodal phi4mm' },
  gpt2: {
    [ENCODER]:
      'bert roberta distilbert deberta deberta-v2 electra albert xlm-roberta modernbert nomic_bert t5 mt5 bart mbart ' +
      'pegasus whisper clip siglip vit',
  },
};

const REFUSALS: ReadonlyMap<string, Refusal> = new Map(
  Object.entries(TYPES).flatMap(([nearest, kinds]) =>
    Object.entries(kinds).flatMap(([what, types]) =>
      types.split(' ').map((type): [string, Refusal] => [type, { what, nearest }]),
    ),
  ),
);

/** What an error says of a type that is known and not supported; undefined for one that nobody knows. */
export function whyUnsupported(modelType: string): string | undefined {
  const found = REFUSALS.get(modelType);
  if (found === undefined) return undefined;
  return (
    `config.json: ${modelType} is ${found.what}, which is not supported. The nearest that is: a model of type ` +
    `${found.nearest}.`
  );
}
