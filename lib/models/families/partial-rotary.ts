/** Rotary positions of a kind of layers: what its blocks are fed, and heads of which a part turns. */
import { rotaryTables, tf } from '../../engine';
import type { Rotation, Tensor } from '../../engine';
import type { LayerKind } from './architecture';
import type { Rope } from './parts/rope';

/** @param size numbers of a head that turn; @param rope absent: nothing turns */
export function rotaryKind(
  rope: Rope | undefined,
  size: number,
): Pick<LayerKind, 'rope' | 'tablesOf' | 'positionFeeds'> {
  const still = { frequencies: new Float32Array(size / 2), scale: 1 };
  return {
    rope,
    tablesOf: rope === undefined ? () => 0 : (length) => rope.tablesOf(length),
    positionFeeds: (positions, shape, contexts) => {
      const rotations = new Map<number, Rotation>();
      const rotationOf = (token: number): Rotation => {
        const length = contexts[token];
        const found = rotations.get(length) ?? rope?.rotation(length) ?? still;
        rotations.set(length, found);
        return found;
      };
      const { cos, sin } = rotaryTables(positions, shape, rotationOf);
      return { 'rotary.cos': cos, 'rotary.sin': sin };
    },
  };
}

/** Queries or keys [B, H, T, D] whose first `size` numbers `turn` turns. */
export function partlyTurned(x: Tensor, size: number, turn: (part: Tensor) => Tensor): Tensor {
  const headSize = x.shape[x.shape.length - 1];
  if (size === headSize) return turn(x);
  const [turning, rest] = tf.split(x, [size, headSize - size], -1);
  return tf.concat([turn(turning), rest], -1);
}
