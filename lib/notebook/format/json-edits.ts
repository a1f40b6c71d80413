/** Edits of JSON text: members put in, taken out, replaced, with the commas that go with them. */
import type { JsonMember, JsonNode } from './json-node';

/** Replaces the text from `start` to `end`. */
export interface TextEdit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** The text with the edits made; several at one place follow each other. They must not overlap. */
export function applyEdits(text: string, edits: readonly TextEdit[]): string {
  const parts: string[] = [];
  let at = 0;
  for (const edit of [...edits].sort((a, b) => a.start - b.start || a.end - b.end)) {
    if (edit.start < at) throw new Error(`internal: edits overlap at ${edit.start}`);
    parts.push(text.slice(at, edit.start), edit.text);
    at = edit.end;
  }
  return at === 0 && parts.length === 0 ? text : parts.join('') + text.slice(at);
}

/** The member of an object, if there is one; of several with the same key the last, as all readers have it. */
export function memberOf(node: JsonNode | undefined, key: string): JsonMember | undefined {
  return node?.members?.findLast((member) => member.key === key);
}

/** The edits that take members or elements out, with the commas that go with them; they never overlap. */
export function removeItems<T extends { start: number; end: number }>(
  items: readonly T[],
  goes: (item: T) => boolean,
): TextEdit[] {
  const edits: TextEdit[] = [];
  for (let i = 0; i < items.length; i++) {
    if (!goes(items[i])) continue;
    const first = i;
    while (i + 1 < items.length && goes(items[i + 1])) i++;
    if (i + 1 < items.length) edits.push({ start: items[first].start, end: items[i + 1].start, text: '' });
    else {
      const start = first > 0 ? items[first - 1].end : items[first].start;
      edits.push({ start, end: items[i].end, text: '' });
    }
  }
  return edits;
}

/** What is to change in an object. */
export interface MemberChanges {
  /** Keys with the JSON of their values: put first, in the object's own layout. */
  readonly add?: readonly (readonly [key: string, json: string])[];
  readonly remove?: readonly string[];
}

/** The edits that change an object's members. */
export function memberEdits(text: string, object: JsonNode, changes: MemberChanges): TextEdit[] {
  const { add = [], remove = [] } = changes;
  const members = object.members ?? [];
  const edits = removeItems(members, ({ key }) => remove.includes(key));
  if (add.length === 0) return edits;
  const at = members[0]?.start ?? object.start + 1;
  const layout = text.slice(object.start + 1, at);
  const blank = members[0] && text[members[0].node.start - 1] === ':' ? '' : ' ';
  const space = layout.includes('\n') ? layout : blank;
  const added = add.map(([key, json]) => `${JSON.stringify(key)}:${blank}${json}`).join(`,${space}`);
  const stays = members.some(({ key }) => !remove.includes(key));
  return [{ start: at, end: at, text: stays ? `${added},${space}` : added }, ...edits];
}

/** The edit that puts other JSON in the place of a value. */
export function replaceNode(node: JsonNode, json: string): TextEdit {
  return { start: node.start, end: node.end, text: json };
}

/** Members that an object names again further on, at any depth: readers take the last, `repair` leaves only that. */
export function repeatedMembers(node: JsonNode): JsonMember[] {
  const found: JsonMember[] = [];
  const last = new Map<string, JsonMember>();
  for (const member of node.members ?? []) {
    const before = last.get(member.key);
    if (before) found.push(before);
    last.set(member.key, member);
  }
  for (const child of node.elements ?? [...last.values()].map((member) => member.node))
    found.push(...repeatedMembers(child));
  return found;
}
