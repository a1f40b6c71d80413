/**
 * The Jupyter wire format: messages as signed multipart frames. Shared by the client (`kernel-client`) and
 * the kernel's network side (`host-wire`), so that both ends agree by construction.
 * Source: "Messaging in Jupyter", wire protocol 5.3.
 */
import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto';
import { TunebookError } from '../../types';

/** The header of a message; `parent_header` of an answer repeats the header of the request. */
export interface MessageHeader {
  readonly msg_id: string;
  readonly msg_type: string;
  readonly session: string;
  readonly username: string;
  readonly date: string;
  readonly version: string;
}

/** Content of a message: JSON, checked where it is read. */
export type MessageContent = Record<string, unknown>;

/** One message with its routing prefix. */
export interface WireMessage {
  readonly identities: readonly Buffer[];
  readonly header: MessageHeader;
  readonly parent: Partial<MessageHeader>;
  readonly metadata: MessageContent;
  readonly content: MessageContent;
}

/** The connection file that Jupyter gives a kernel. */
export interface ConnectionInfo {
  readonly ip: string;
  readonly transport: string;
  readonly shell_port: number;
  readonly iopub_port: number;
  readonly stdin_port: number;
  readonly control_port: number;
  readonly hb_port: number;
  readonly key: string;
  readonly signature_scheme: string;
  readonly kernel_name?: string;
}

/**
 * Why a kernel must not listen there, undefined when it may: whoever reaches its ports runs code as this user, so it
 * listens to this machine only, and to signed messages only.
 */
export function unsafeConnection({
  ip,
  transport,
  key,
  signature_scheme,
}: ConnectionInfo): string | undefined {
  if (transport !== 'ipc' && !/^(?:127(?:\.\d{1,3}){3}|localhost|::1|\[::1\])$/.test(ip))
    return `expected an address of this machine only, such as 127.0.0.1, got ip ${JSON.stringify(ip)}`;
  if (typeof key !== 'string' || key === '') return 'expected a key to sign messages with, got none';
  if (signature_scheme !== 'hmac-sha256')
    return `expected signature_scheme hmac-sha256, got ${JSON.stringify(signature_scheme)}`;
  return undefined;
}

const delimiter = Buffer.from('<IDS|MSG>');

function sign(key: string, frames: readonly (string | Buffer)[]): string {
  const hash = createHmac('sha256', key);
  for (const frame of frames) hash.update(frame);
  return hash.digest('hex');
}

/** A fresh header of protocol 5.3. */
export function makeHeader(msgType: string, session: string): MessageHeader {
  return {
    msg_id: randomUUID(),
    msg_type: msgType,
    session,
    username: 'tunebook',
    date: new Date().toISOString(),
    version: '5.3',
  };
}

/**
 * JSON that every reader can write down again: half of a surrogate pair, which UTF-8 does not have, becomes U+FFFD.
 * JSON.stringify writes such a half, and nothing else, as `\\udXXX`.
 */
function toJson(part: unknown): string {
  const text = JSON.stringify(part);
  if (!text.includes('\\ud')) return text;
  return text.replace(/\\(?:(ud[89a-f][0-9a-f]{2})|[^])/g, (escape, half?: string) =>
    half ? '\ufffd' : escape,
  );
}

/** The frames of a message, signed with `key` (HMAC-SHA256). */
export function encodeMessage(
  key: string,
  message: Omit<WireMessage, 'identities'> & { readonly identities?: readonly (Buffer | string)[] },
): (string | Buffer)[] {
  const parts = [message.header, message.parent, message.metadata, message.content].map(toJson);
  return [...(message.identities ?? []), delimiter, sign(key, parts), ...parts];
}

function parseObject(frame: Buffer): Record<string, unknown> {
  const value: unknown = JSON.parse(frame.toString('utf8'));
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new TunebookError('kernel message: expected a JSON object in each frame');
  return value as Record<string, unknown>;
}

/**
 * Reads the frames of a message and checks its signature in constant time.
 * @throws TunebookError when the frames are no message or the signature is wrong
 */
export function decodeMessage(key: string, frames: readonly Buffer[]): WireMessage {
  const split = frames.findIndex((frame) => frame.equals(delimiter));
  if (split < 0 || frames.length < split + 6)
    throw new TunebookError(`kernel message: expected a delimiter and 5 frames, got ${frames.length} frames`);
  const [signature, ...parts] = frames.slice(split + 1, split + 6);
  const expected = Buffer.from(sign(key, parts));
  if (signature.length !== expected.length || !timingSafeEqual(signature, expected))
    throw new TunebookError('kernel message: the signature does not match the connection key');
  const [header, parent, metadata, content] = parts.map(parseObject);
  if (typeof header.msg_id !== 'string' || typeof header.msg_type !== 'string')
    throw new TunebookError('kernel message: expected a header with msg_id and msg_type');
  return {
    identities: frames.slice(0, split),
    header: header as unknown as MessageHeader,
    parent: parent as Partial<MessageHeader>,
    metadata,
    content,
  };
}
