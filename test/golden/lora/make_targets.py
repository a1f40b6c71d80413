"""Which modules PEFT adapts, how strongly, and which it trains whole, for many configurations.

Run: python make_targets.py with peft and transformers installed; writes golden-targets.json beside this file. A
configuration that PEFT refuses has no result.
"""

import json
from pathlib import Path

from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM

HERE = Path(__file__).parent
GPT2_CASES = [
    {},
    {"target_modules": "all-linear"},
    {"target_modules": "all-linear", "exclude_modules": ["c_proj"]},
    {"target_modules": "all-linear", "layers_to_transform": [2]},
    {"target_modules": ["c_proj"]},
    {"target_modules": ["attn.c_proj", "2.mlp.c_proj"]},
    {"target_modules": ["proj"]},
    {"target_modules": ["c_attn", "lm_head"]},
    {"target_modules": ["c_attn", "wte"], "layers_to_transform": 1},
    {"target_modules": ["h.1.attn.c_attn", "c_fc"], "rank_pattern": {"h.1.attn.c_attn": 3, "attn.c_attn": 5}},
    {"target_modules": r".*h\.[02]\.(attn|mlp)\.c_proj"},
    {"target_modules": r".*c_pro"},
    {"target_modules": r"transformer\.h\.0\.attn\.c_attn|lm_head"},
    {"target_modules": ["c_attn", "c_fc"], "modules_to_save": ["c_fc"]},
    {"target_modules": ["c_attn"], "modules_to_save": ["mlp"]},
    {"target_modules": ["c_attn"], "modules_to_save": ["n_f", "0.ln_1"]},
    {"target_modules": ["c_attn"], "modules_to_save": ["ln_1", "wpe"]},
]
MISTRAL_CASES = [
    {},
    {"target_modules": "all-linear"},
    {"target_modules": "all-linear", "exclude_modules": "model.layers.0.*"},
    {"target_modules": "all-linear", "exclude_modules": ".*(up|down)"},
    {"target_modules": "all-linear", "exclude_modules": ["mlp.up_proj", "0.self_attn.q_proj"]},
    {"target_modules": ["q_proj", "k_proj"], "exclude_modules": ["proj"]},
    {"target_modules": ["q_proj", "k_proj"], "exclude_modules": "k_proj"},
    {"target_modules": ["q_proj", "lm_head"], "exclude_modules": ["lm_head"]},
    {"target_modules": ["q_proj", "v_proj"], "rank_pattern": {"v_proj": 4}, "alpha_pattern": {"q_proj": 32}},
    {"target_modules": ["q_proj", "v_proj"], "rank_pattern": {"_proj": 4, "proj": 3, "v_pro": 2}},
    {"target_modules": ["q_proj", "v_proj"], "rank_pattern": {"1.self_attn.v_proj": 2, "v_proj": 4, "^model.layers.0": 5}},
    {"target_modules": ["q_proj", "v_proj"], "rank_pattern": {"layers.0.*": 6, "q_proj": 2}, "use_rslora": True},
    {"target_modules": ["q_proj", "v_proj"], "alpha_pattern": {".*_proj": 3, "q_proj": 2}, "rank_pattern": {"q_proj": 16}},
    {"target_modules": ["q_proj", "v_proj"], "rank_pattern": {"q_proj": 9}, "use_rslora": True},
    {"target_modules": ["q_proj", "v_proj"], "layers_to_transform": [1]},
    {"target_modules": ["q_proj", "v_proj"], "layers_to_transform": []},
    {"target_modules": ["embed_tokens", "lm_head"]},
    {"target_modules": ["q_proj"], "modules_to_save": ["norm"]},
    {"target_modules": ["q_proj", "o_proj"], "modules_to_save": ["self_attn"]},
    {"target_modules": ["q_proj", "up_proj"], "modules_to_save": ["1.mlp"]},
    {"target_modules": ["q_pro"]},
]


def placed(base, options):
    model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(HERE.parent / base / "model"))
    try:
        model = get_peft_model(model, LoraConfig(r=8, lora_alpha=16, task_type="CAUSAL_LM", **options))
    except ValueError:
        return None
    adapted, saved = {}, []
    for path, module in model.get_base_model().named_modules():
        if hasattr(module, "lora_A"):
            adapted[path] = [module.r["default"], module.scaling["default"]]
        if type(module).__name__ == "ModulesToSaveWrapper":
            copy = module.modules_to_save["default"]
            saved += [f"{path}.{name}" for name, _ in copy.named_parameters()]
    return dict(adapted=adapted, saved=sorted(saved))


def main():
    cases = [(base, options) for base, all in (("gpt2", GPT2_CASES), ("mistral", MISTRAL_CASES)) for options in all]
    golden = [dict(base=base, options=options, result=placed(base, options)) for base, options in cases]
    (HERE / "golden-targets.json").write_text(json.dumps(golden, indent=1) + "\n")
    for one in golden:
        print(one["base"], one["options"], "refused" if one["result"] is None else len(one["result"]["adapted"]))


main()
