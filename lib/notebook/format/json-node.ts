/** A JSON document as `json-text` reads it and `json-edits` changes it: values with their places in the text. */

/** A value and where it stands: text from `start` to `end`. */
export interface JsonNode {
  readonly start: number;
  readonly end: number;
  /** Members of an object in order. */
  readonly members?: readonly JsonMember[];
  /** Elements of an array. */
  readonly elements?: readonly JsonNode[];
  /** Value of a string, number, boolean or null. */
  readonly value?: unknown;
}

/** A member of an object; `start` is that of its key, `end` that of its value. */
export interface JsonMember {
  readonly key: string;
  readonly start: number;
  readonly end: number;
  readonly node: JsonNode;
}
