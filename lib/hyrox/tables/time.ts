/**
 * Parses and formats times of result files: h:mm:ss, m:ss, with or without a fraction.
 */
import { kindOf, TunebookError } from '../../types';

/** Format of a time. */
export type TimeFormat = 'h:mm:ss' | 'm:ss' | 'seconds';

/** A duration, and how it was written. */
export interface ParsedTime {
  seconds: number;
  format: TimeFormat;
}

const CLOCK = /^(?:(\d{1,2}):)?(\d{1,3}):(\d{2}(?:[.,]\d{1,3})?)$/;
const PLAIN = /^\d{1,6}(?:[.,]\d{1,3})?$/;

/**
 * Reads 'h:mm:ss', 'm:ss' or plain seconds.
 *
 * @returns seconds and the format found, or undefined if the text is no time (minutes of h:mm:ss and seconds go up to
 *   59).
 * @example parseTime('0:56:47')?.seconds === 3407
 */
export function parseTime(text: string): ParsedTime | undefined {
  if (typeof text !== 'string') throw new TunebookError(`parseTime: expected a text, got ${kindOf(text)}.`);
  const trimmed = text.trim();
  // Fast path: the h:mm:ss of the published file.
  if (trimmed.length === 7 && trimmed.charCodeAt(1) === 58 && trimmed.charCodeAt(4) === 58) {
    const h = digit(trimmed, 0);
    const m = digit(trimmed, 2) * 10 + digit(trimmed, 3);
    const s = digit(trimmed, 5) * 10 + digit(trimmed, 6);
    if (m < 60 && s < 60 && h >= 0) return { seconds: h * 3600 + m * 60 + s, format: 'h:mm:ss' };
  }
  const clock = CLOCK.exec(trimmed);
  if (clock) {
    const hours = clock[1] === undefined ? 0 : Number(clock[1]);
    const minutes = Number(clock[2]);
    const seconds = Number(clock[3]?.replace(',', '.'));
    if (seconds >= 60 || (clock[1] !== undefined && minutes >= 60)) return undefined;
    return {
      seconds: hours * 3600 + minutes * 60 + seconds,
      format: clock[1] === undefined ? 'm:ss' : 'h:mm:ss',
    };
  }
  if (PLAIN.test(trimmed)) return { seconds: Number(trimmed.replace(',', '.')), format: 'seconds' };
  return undefined;
}

/** The digit at `at`; NaN if there is none, so that comparisons with it fail. */
function digit(text: string, at: number): number {
  const value = text.charCodeAt(at) - 48;
  return value >= 0 && value <= 9 ? value : NaN;
}

/** Seconds as h:mm:ss, whole seconds, the form of the published file: 3407 -> '0:56:47'. */
export function formatTime(seconds: number): string {
  const whole = Math.round(seconds);
  const m = Math.floor(whole / 60) % 60;
  const s = whole % 60;
  return `${Math.floor(whole / 3600)}:${String(m).padStart(2, '0')}:${String(s).padStart(2, '0')}`;
}

/** Seconds as m:ss: 185 -> '3:05'. */
export function formatMinutes(seconds: number): string {
  const whole = Math.round(Math.abs(seconds));
  return `${seconds < 0 ? '-' : ''}${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}
