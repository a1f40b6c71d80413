/** Memory that the codes of one function after the other are made in, so that they take that of the largest one only. */
import type { CodesSpace } from '../../quantization';

/** Beginnings of arrays in the buffer. */
const ALIGNMENT = 4;

/**
 * Hands out parts of one buffer. What does not fit any more gets arrays of its own. A large buffer goes back to the system
 * once it is collected, which many arrays of some megabytes do not.
 */
export class ReusedSpace implements CodesSpace {
  private buffer: ArrayBuffer | undefined;
  private used = 0;

  /** @param byteLength taken at the first array */
  constructor(private readonly byteLength: number) {}

  /** From here on, arrays that were handed out are written over. */
  clear(): void {
    this.used = 0;
  }

  bytes(length: number): Uint8Array {
    const start = this.take(length);
    return start === undefined ? new Uint8Array(length) : new Uint8Array(this.whole(), start, length);
  }

  numbers(length: number): Float32Array {
    const start = this.take(length * Float32Array.BYTES_PER_ELEMENT);
    return start === undefined ? new Float32Array(length) : new Float32Array(this.whole(), start, length);
  }

  private take(byteLength: number): number | undefined {
    const start = Math.ceil(this.used / ALIGNMENT) * ALIGNMENT;
    if (start + byteLength > this.byteLength) return undefined;
    this.used = start + byteLength;
    return start;
  }

  private whole(): ArrayBuffer {
    return (this.buffer ??= new ArrayBuffer(this.byteLength));
  }
}
