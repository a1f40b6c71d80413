"""What transformers' Jinja renders: expressions on texts, numbers, lists and dicts, statements, white space, chat templates
with the features that published ones use, and random templates.

Run from the repository root with transformers installed:
    python test/golden/tokenizer/make_jinja.py
Writes golden-jinja.json beside this file: {contexts, templates, rows: [template, context, text or null where Python raises]}.

    python test/golden/tokenizer/make_jinja.py --trl FILE.json
Writes the same for the chat templates that TRL ships (with trl installed) and twelve conversations, with and without tools
and generation prompt; then  TUNEBOOK_JINJA=FILE.json node .build/test/run.js tokenizer/jinja  compares them here.
"""
import json
import random
import sys
from pathlib import Path

from transformers.utils.chat_template_utils import _compile_jinja_template as compile_template

HERE = Path(__file__).parent
TEXTS = ["'héllo 🙂 wörld'", "'  a b  '", "'a,b,,c'", "'Hello'", "'x\\ny\\n'", "'ß ŉ ǆ'", "'i̇ İ'", "'{\"a\": 1}'"]
ON_TEXT = """|length [1:4] [-3:] [::-1] [6] [::2] .upper() .lower() .title() |title |capitalize .capitalize() |upper |lower
.split() .split(',') .split(',',1) .rsplit(',',1) |list |first |last |reverse |tojson |string |replace('l','L')
|replace('l','L',1) .replace('l','L') .replace('l','L',1) .startswith('h') .startswith(('h','H')) .endswith('d') .find('o')
.count('l') .isdigit() .isalpha() .isspace() .islower() |trim|length .splitlines() |indent |indent(2) |indent(2,true) |wordcount
|e .strip()|length *2 ~1 ~true ~none |join('-') .join(['a','b']) .zfill(20) .center(20) .ljust(20)~'|' .removeprefix('He')
.partition(',') |batch(2)|list |truncate(5) |default('d') |default('d',true) %() ==1 <'b' .swapcase() .index('l') .isalnum()
.isupper() .istitle() .isnumeric() |safe |format |select|list |unique|list |sort |max |min |sum |length>3 .strip('h x')
.lstrip('\\n') .rstrip('d')""".split()
VALUES = """none true false 1 1.0 1.5 -3 1e20 1e-7 12345678901234567890 0.1+0.2 7//2 -7//2 7%3 -7%3 7/2 6/2 2**10 2**-1 10|float
'3'|int 'x'|int '3.7'|float 3.7|int 3.5|round 2.5|round 3.14159|round(2) 3.2|round(0,'ceil') true+1 true~1
[1,'a',none,true,1.0] {'a':1,'b':none,'c':[1.0]} (1,2) (1,) [] {} [1,2]|tojson {'b':1,'a':'é🙂<>&\\''}|tojson
{'b':1,'a':[1,{'x':none}]}|tojson(indent=2) []|tojson(indent=2) {}|tojson(indent=4) [1.0,1e20,true]|tojson
{'a':1}|tojson(separators=(',',':')) {'b':1,'a':2}|tojson(sort_keys=true) {'a':'é🙂'}|tojson(ensure_ascii=true) {'a':1}|items|list
{'b':2,'a':1}|dictsort {'a':1}.keys()|list {'a':1}.values() {'a':1}.items() {'a':1}.get('b') {'a':1}.get('b','d') {'a':1}.get('a')
{'a':1}['a'] {'a':none}.a {'a':none}.get('a','d') undefined_x undefined_x|default('d') none|default('d') none|default('d',true)
''|default('d',true) 0|default(5,true) [3,1,2]|sort [3,1,2]|sort(reverse=true) ['b','A','c']|sort ['b','A']|sort(case_sensitive=true)
[{'a':1},{'a':2}]|map(attribute='a')|list [{'a':1},{'a':2}]|selectattr('a','equalto',2)|list [{'a':1},{'b':2}]|selectattr('a','defined')|list
[{'a':1},{'a':2}]|rejectattr('a','equalto',2)|list [1,2,3]|select('odd')|list [1,2,3]|reject('odd')|list ['a','b']|map('upper')|join(',')
[1,2,3]|sum [1,2,3]|join [1,none,true]|join(',') [1,2,2,1]|unique|list range(5) range(1,10,3)|list range(5,0,-2)|list [1,2,3][::-1]
[1,2,3][-1] [1,2,3][1:] [1,2,3,4]|batch(2)|list [1,2,3]|first []|first [1,2]|last [1,2]+[3] [1]*2 '='*7 1==1.0 true==1 1<2<3
3>2>2 none==none '%s-%d'%('a',3) '%s'%1 '%5.2f|%-4s|%05d'%(2.345,'a',42) '{}_{}'.format(1,'a') '{a:>5}|{b:.2f}'.format(a='x',b=2.675)
'%.2f'|format(3.14159) namespace(a=1).a dict(a=1) dict(a=1)|tojson lipsum [[1,2],[3]]|sum(start=[]) 'a'<'b' '🙂'>'\\uffff' 'a'~1.0~none
1.0|string [1,'a']|string {'a':'b'}|string 'it\\'s'|tojson ['it\\'s',"q\\""] ['a\\nb\\x07\\u200b'] '<b>'|e ('<b>'|safe)+'<' 1.0|tojson
1e16 1e15 123456789.0 0.00001 -0.0 7.0//2 2.0*3 10%3.5 -3|abs 1e400 strftime_now raise_exception messages[0] messages[-1].content[:3]
messages|map(attribute='role')|join('_') messages|groupby('role')|list tools deep deep.n deep.missing deep['x']['y'] deep.items()|list
deep|items|list|length deep._x deep.__class__ deep.append [].append(1) {}.update({}) messages.strip('x') none.x none|length 1|length
'a'.zzz() [1]['a'] 'a'['b'] 1+'a' 'a'+1 none|tojson undefined_x|tojson undefined_x.y undefined_x+1 'a'|nosuchfilter range(1000000)""".split()
TESTED = """'a'~is~string none~is~none none~is~not~none 1~is~number 1.0~is~integer 1.0~is~float true~is~number true~is~boolean
[]~is~iterable []~is~mapping {}~is~mapping {}~is~iterable 3~is~odd 4~is~divisibleby~2 'A'~is~upper 'a'~is~lower 1~is~eq~1
2~is~in~[1,2] 'a'~is~sequence undefined_x~is~iterable undefined_x~is~sequence 1~in~[1,2] 'a'~in~{'a':1} 'a'~not~in~'abc' not~1
1~and~0 0~or~'x' ''~or~none 1~if~false 1~if~false~else~2 deep.missing~is~none deep.missing~is~defined -1~is~odd 1~+~1~is~odd
1~in~undefined_x 1~in~none none~in~'a' 1~is~nosuchtest 1~is~callable range~is~callable 2~*~3~+~4~~~'a'""".split()
STATEMENTS = [
    "{% for i in range(3) %}{{ loop.index }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.revindex }}{{ loop.previtem }}"
    "{{ loop.nextitem }}{{ loop.cycle('a','b') }}{{ loop.changed(i // 2) }};{% endfor %}",
    "{% for k,v in deep.items() %}{{k}}={{v}};{% endfor %}", "{% for i in [] %}x{% else %}empty{% endfor %}",
    "{% for m in messages if m.role=='user' %}{{loop.index}}{{loop.length}}{{m.content}}{% else %}none{% endfor %}",
    "{% for i in range(5) %}{% if i==3 %}{% break %}{% endif %}{% if i==1 %}{% continue %}{% endif %}{{i}}{% endfor %}",
    "{% for i in [1] %}{% continue %}{% else %}E{% endfor %}", "{% set x=1 %}{% for i in range(2) %}{% set x=x+1 %}{{x}}{% endfor %}{{x}}",
    "{% set ns=namespace(x=0) %}{% for i in range(3) %}{% set ns.x=ns.x+i %}{% endfor %}{{ns.x}}", "{% set x = deep %}{% set x.y = 1 %}",
    "{% macro f(a,b=2) %}{{a}}{{b}}{{varargs}}{{kwargs}}{% endmacro %}{{f(1)}}{{f(1,3,4)}}{{f(a=none)}}{{f(1,c=2)}}",
    "{% macro f(a) %}{{a is defined}}{% endmacro %}{{f()}}{{f(none)}}{{f}}", "{% macro f() %}{% endmacro %}{{f(1)}}",
    "{% macro f() %}{{ y }}{% endmacro %}{% set y = 1 %}{{ f() }}{% set y = 2 %}{{ f() }}", "{% set t %}a{{1}}b{% endset %}{{t|upper}}",
    "{% set t | upper %}a{{1}}b{% endset %}{{t}}", "{% filter upper|replace('A','x') %}abc{% endfilter %}",
    "{% with a=1, b='c' %}{{a}}{{b}}{% endwith %}{{a}}", "{% raw %}{{ x }}{% endraw %}", "{# c #}a{#- d -#} b",
    "  {%- if true %} a {%- endif %} b", "{% if true -%}\n  a\n{%- endif %}\n\nb\n", "a\n  {% if true %}\n  b\n  {% endif %}\nc\n\n",
    "{{ 'a' }}\n{{ 'b' }}\n", "{%+ if true %} x {%- endif +%}\n y", "a\r\nb\rc{{ 'x\r\ny'|length }}", "  {#+ c +#}\n x\n  {{+1}} \n",
    "{% set a, b = 1, 2 %}{{a}}{{b}}", "{% set a, b = [1] %}", "{% for a,b in [[1,2],[3,4]] %}{{a}}{{b}}{% endfor %}", "{{ 1, 'a' }}",
    "{% for x in [1,[2,[3]]] recursive %}{% if x is number %}{{x}}{% else %}<{{ loop(x) }}>{{loop.depth}}{% endif %}{% endfor %}",
    "{% for c in 'é🙂a' %}[{{c}}]{% endfor %}", "{% call f() %}x{% endcall %}", "{% if tools %}T{% elif messages %}M{% else %}N{% endif %}",
    "{% macro g() %}<{{caller()}}>{% endmacro %}{% call g() %}x{% endcall %}", "{% if 1 %}", "{% endif %}", "{{ 1", "{{ (1] }}", "{{ 'a }}",
    "{% macro g() %}<{{caller(1)}}>{% endmacro %}{% call(v) g() %}{{v}}{% endcall %}", "{% for m in messages %}\n{{ m.role }}:\n{%- endfor %}",
    "{% print 1, 'a' %}", "{% do 1 %}", "{% nosuchtag %}", "{% set none = 1 %}", "{{ 1 if }}", "{% generation %}a{% set q=1 %}{% endgeneration %}{{ q }}",
    "{% if messages[5] is defined %}y{% else %}n{% endif %}", "{% set _ = messages.append(1) %}", "{{ raise_exception('no') }}",
    "{% set c = cycler(1,2) %}{{c.next()}}{{c.next()}}{{c.next()}}{{c.current}}", "{% set j = joiner('|') %}{{j()}}{{j()}}",
]
CHATS = [
    "{%- set ns = namespace(found=false, n=0) -%}{%- macro show(x, deep=false) -%}{%- if x is mapping -%}{% for k, v in x | items %}"
    "{{ k ~ '=' ~ v | string }};{% endfor %}{%- elif x is string -%}{{ x | trim | upper }}{%- else -%}{{ x | tojson }}{%- endif -%}"
    "{%- endmacro -%}{%- for m in messages[::-1] -%}{%- if m.role == 'user' and not ns.found -%}{%- set ns.found = true -%}"
    "{%- set ns.n = messages | length - loop.index0 - 1 -%}{%- endif -%}{%- endfor -%}{{ ns.n }}{% for m in messages %}"
    "{{ show(m.content) }}{% for c in m.tool_calls or [] %}{{ show(c.function.arguments) }}{% endfor %}{% endfor %}",
    "{% if tools is defined and tools %}{{ tools | tojson(indent=4) }}{% for t in tools %}{{ t | tojson }}{{ ',' if not loop.last }}"
    "{% endfor %}{% endif %}{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}",
    "{% for m in messages %}{% if m.content is string and m.content.startswith('<think>') %}{{ m.content.split('</think>')[-1]"
    ".lstrip('\\n') }}{% endif %}{{ m.content.rstrip() }}{{ m.get('reasoning_content', '-') }}{% endfor %}",
    "{% if messages[0].role == 'system' %}{{ raise_exception('no system here') }}{% endif %}{% for m in messages %}"
    "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}"
    "[{{ m.content }}]{% endfor %}",
    "{{ messages | selectattr('role', 'equalto', 'user') | list | length }} {{ (messages | first).role }} {{ messages[1:] }}",
]


def user(text): return dict(role="user", content=text)
def system(text): return dict(role="system", content=text)
def answer(text, **more): return dict(role="assistant", content=text, **more)


TOOL = dict(type="function", function=dict(
    name="get_split", description='Time of a "station" <b>é</b>', parameters=dict(
        type="object", properties=dict(station=dict(type="string", enum=["ski", "row"], description="which\nline"),
                                       lap=dict(type="integer", default=1)), required=["station"])))
CALL = dict(type="function", function=dict(name="get_split", arguments=dict(
    station="ski", lap=2, f=1.5, big=12345678901, tiny=0.25, ok=True, none=None, text='quote " and é 🙂')))
CONVERSATIONS = dict(
    one=[user("How was it?")], system=[system("Be short."), user("Hi")],
    multi=[system("Be short."), user(" Hi \n"), answer("Hello  "), user("How was it?\n\n"), answer("Good.")],
    five=[user("a"), answer("b"), user("c"), answer("d"), user("e")],
    think=[user("a"), answer("<think>\nhm\n</think>\n\nb"), user("c"), answer("<think>\nso\n</think>\n\n    d\n")],
    reason=[user("a"), answer("b", reasoning_content="because"), user("c")],
    tool=[system("Use tools."), user("split?"), answer("", tool_calls=[CALL]), dict(role="tool", content='{"t": 271}'), answer("271 s")],
    tools=[user("split?"), answer("Looking.", tool_calls=[CALL, CALL]), dict(role="tool", content="1"), dict(role="tool", content="2"), answer("done")],
    users=[user("a"), user("b")], assistant=[answer("a"), user("b")], special=[user("say <|im_end|> and <eos> é 🙂"), answer("</s>")],
    empty=[user(""), answer("")])
TOKENS = dict(bos_token="<s>", eos_token="</s>", pad_token="<pad>")
BASE = dict(messages=[system("S é"), user("🙂 hi"), answer("ok")], tools=None, documents=None, add_generation_prompt=False, **TOKENS, s="Hello <x> wörld",
            n=7, deep={"x": {"y": ["a", "é"]}, "big": 2**53 - 1, "f": 1.5, "t": True, "n": None, "l": [3, 1, 2], "z": 'q"\\'})


def random_templates(count, pick=random.Random(5)):
    """Statements and expressions at random, with white space and its control around them."""
    atoms = "'a' 'é🙂b' '' 'a,b' 1 0 -2 3.5 true none undef [1,2,3] [] {'a':1} (1,'x') messages messages[-1].content deep.x deep.n tools s s[1:] messages[::-1] n".split()
    filters = "|length |upper |trim |string |list |first |last |tojson |int |float |join('-') |default('d') |sort |sum |max |capitalize |title |dictsort |e".split()
    after = ".upper() .split() .strip() .get('a') .items()|list .x .role [0] [-1] .zzz".split()
    between = "+ - * / // % ~ == != < >= ~in~ ~and~ ~or~".split()
    tests = "defined none string number mapping iterable odd true callable in~[1,'a'] eq~1".split()

    def expression(depth):
        kind = pick.random()
        if depth <= 0 or kind < 0.25: return pick.choice(atoms)
        if kind < 0.45: return expression(depth - 1) + pick.choice(filters)
        if kind < 0.6: return "(" + expression(depth - 1) + ")" + pick.choice(after)
        if kind < 0.8: return expression(depth - 1) + pick.choice(between).replace("~", " ").replace("  ", "~") + expression(depth - 1)
        if kind < 0.9: return "(" + expression(depth - 1) + " is " + pick.choice(tests).replace("~", " ") + ")"
        return "(" + expression(depth - 1) + " if " + expression(depth - 1) + " else " + expression(depth - 1) + ")"

    def tag(text): return pick.choice(["{%", "{%-", "{%+"]) + f" {text} " + pick.choice(["%}", "-%}", "+%}"])
    def space(): return pick.choice(["", "\n", "  ", "\n  ", "\t", "x\n", "  y  ", "\n\n", "z", " \n ", "\r\n"])

    def body(depth):
        text = ""
        for _ in range(pick.randint(1, 3)):
            kind = pick.random()
            text += space()
            if depth <= 0 or kind < 0.4: text += pick.choice(["{{", "{{-"]) + " " + expression(1) + " " + pick.choice(["}}", "-}}"])
            elif kind < 0.6: text += tag("if " + expression(1)) + body(depth - 1) + tag("else") + body(depth - 1) + tag("endif")
            elif kind < 0.8: text += tag("for i in " + pick.choice(["range(3)", "messages", "deep", "s"])) + "{{ loop.index }}" + body(depth - 1) + tag("endfor")
            elif kind < 0.9: text += tag("set v") + body(depth - 1) + tag("endset") + "{{ v|length }}"
            else: text += "{#" + pick.choice(["", "-", "+"]) + " c " + pick.choice(["", "-", "+"]) + "#}"
        return text + space()

    return ["[{{ " + expression(3) + " }}]" if i % 2 == 0 else body(2) for i in range(count)]


def render(template, context):
    try:
        text = compile_template(template).render(**context)
    except Exception:
        return None
    return text


def rows_of(templates, contexts):
    rows = [[i, name, render(template, contexts[name])] for i, (template, names) in enumerate(templates) for name in names]
    # What shows an address in memory differs from run to run.
    return [row for row in rows if row[2] is None or (" at 0x" not in row[2] and len(row[2]) < 20000)]


def chats():
    contexts = dict(base=BASE)
    for name, messages in CONVERSATIONS.items():
        for tools in (None, [TOOL]):
            for prompt in (False, True):
                contexts[f"{name}{' tools' if tools else ''}{' prompt' if prompt else ''}"] = dict(
                    messages=messages, tools=tools, documents=None, add_generation_prompt=prompt, **TOKENS)
    return contexts


def write(path, templates, contexts):
    rows = rows_of(templates, contexts)
    golden = dict(contexts=contexts, templates=[template for template, _ in templates], rows=rows)
    Path(path).write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
    print(path, len(templates), "templates", len(rows), "rows", sum(row[2] is None for row in rows), "refused")


def main():
    contexts = chats()
    names = [name for name in contexts if name != "base"]
    if len(sys.argv) > 2 and sys.argv[1] == "--trl":
        import trl
        files = sorted((Path(trl.__file__).parent / "chat_templates").glob("*.jinja"))
        return write(sys.argv[2], [(file.read_bytes().decode(), names) for file in files], contexts)
    tested = [text.replace("~~~", "\0").replace("~", " ").replace("\0", " ~ ") for text in TESTED]
    expressions = [text + what for text in TEXTS for what in ON_TEXT] + VALUES + tested
    templates = [f"[{{{{ {text} }}}}]" for text in expressions] + STATEMENTS + random_templates(700)
    few = ["multi prompt", "think", "tool tools", "tools tools", "users", "special"]
    write(HERE / "golden-jinja.json", [(text, ["base"]) for text in templates] + [(text, few) for text in CHATS], contexts)


main()
