// The outline of a recording.

const DECODED_BYTES = 100e6;
const BYTES_PER_SECOND = 44_100 * 4; // browsers decode to 32-bit floats at the rate of the file; speech is mostly mono

/** Whether a recording is small enough to be decoded in memory; longer ones have a plain timeline. */
export function decodable({ seconds, bytes }) {
  return bytes <= DECODED_BYTES && seconds * BYTES_PER_SECOND <= DECODED_BYTES;
}

/**
 * The loudest sample in each of `count` equal parts, over all channels (Float32Arrays of equal length), scaled so that
 * the loudest part is 1; silence stays 0.
 */
export function peaks(channels, count) {
  const outline = new Float32Array(count);
  const { length } = channels[0];
  for (const samples of channels) {
    for (let part = 0; part < count; part++) {
      const end = Math.floor(((part + 1) * length) / count);
      for (let at = Math.floor((part * length) / count); at < end; at++) {
        const level = Math.abs(samples[at]);
        if (level > outline[part]) outline[part] = level;
      }
    }
  }
  const loudest = outline.reduce((most, level) => Math.max(most, level), 0);
  return loudest > 0 ? outline.map((level) => level / loudest) : outline;
}
